"""The outside system: localstripe, an imitation of Stripe's API that nobody here wrote.

It is GPL-3 software and stays apart: installed from the package index into an environment of its
own, at pinned versions and hashes, and run as a separate process. It takes keys that begin with
`sk_` and answers 401 to others.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from demo.processes import DemoError

NAME = "localstripe"
RIGHT_KEY = "sk_test_first_light"
WRONG_KEY = "pk_test_first_light"  # the publishable key instead of the secret one: an honest mistake
_LOCK = Path(__file__).with_name("outside-system.lock")
_PIP_INSTALL = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
]
# Its own command listens on every interface; this is the same server on the loopback one alone.
_SERVE = (
    "import sys; from aiohttp import web; from localstripe.server import app; "
    "web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)"
)


def version() -> str:
    """The pinned version."""
    lines = _LOCK.read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{NAME}=="))


def cache_directory() -> Path:
    """Where the environment is kept between runs: its key covers the lock and the Python that runs it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return base / "integration-hub" / "demo" / f"{NAME}-{version()}-{key}"


def install(report: Callable[[str], None]) -> Path:
    """The Python that has localstripe; installs it the first time. Raises DemoError where that fails."""
    home = cache_directory()
    python = home / "bin" / "python"
    ready = home / ".ready"
    if ready.exists():
        return python
    report(f"installing {NAME} {version()}, once")
    venv.create(home, clear=True, with_pip=True)
    done = subprocess.run(
        [str(python), *_PIP_INSTALL, "--requirement", str(_LOCK)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(
            f"{NAME} could not be installed: the demo needs a Python package index the first time\n"
            f"{done.stderr.strip()}"
        )
    ready.touch()
    return python


def command(python: Path, port: int) -> list[str]:
    """What runs it on a loopback port."""
    return [str(python), "-c", _SERVE, str(port)]
