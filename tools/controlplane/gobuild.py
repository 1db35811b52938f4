"""Builds a pinned Go module into the programs it stands for, with progress."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from controlplane.pins import Module

Report = Callable[[str], None]

_REPORT_EVERY_S = 10.0
_LOG_LINES_KEPT = 15


class BuildError(RuntimeError):
    """`go build` ended with an error; the message carries its last lines."""


def go() -> str | None:
    """The Go compiler's path, or None where Go is not installed."""
    return shutil.which("go")


def build(module: Module, into: Path, report: Report) -> dict[str, Path]:
    """Build `module` and put one entry per component into the folder `into`.

    A binary that is several components is stored once; the others are links to it.
    Raises BuildError. The components appear in `into` one by one, each whole.
    """
    names = ", ".join(module.components)
    total = _count_packages(module)
    report(f"building {names} ({total} Go packages; several minutes the first time)")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        binary = Path(scratch) / "program"
        _compile(module, binary, total, report)
        for name in module.components:
            entry = Path(scratch) / name
            os.link(binary, entry)
            entry.replace(into / name)
    return {name: into / name for name in module.components}


def _environment(module: Module) -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "1" if module.cgo else "0", "GOWORK": "off"}


def _count_packages(module: Module) -> int:
    listed = subprocess.run(
        ["go", "list", "-deps", "-tags", ",".join(module.tags), module.package],
        cwd=module.directory,
        env=_environment(module),
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise BuildError(_failure(module, listed.stderr))
    return len(listed.stdout.splitlines())


def _compile(module: Module, binary: Path, total: int, report: Report) -> None:
    flags = ["-trimpath", "-v", "-tags", ",".join(module.tags)]
    flags += ["-ldflags", module.linker_flags, "-o", str(binary)]
    process = subprocess.Popen(
        ["go", "build", *flags, module.package],
        cwd=module.directory,
        env=_environment(module),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        lines = _follow(process.stderr, total, report)
    if process.returncode != 0:
        raise BuildError(_failure(module, "\n".join(lines)))


def _follow(output: IO[str], total: int, report: Report) -> list[str]:
    """Read the package names that `go build -v` prints as it goes; return the last lines."""
    started = last = time.monotonic()
    lines: list[str] = []
    for compiled, line in enumerate(output, start=1):
        lines = [*lines[1 - _LOG_LINES_KEPT :], line.rstrip()]
        now = time.monotonic()
        if now - last >= _REPORT_EVERY_S:
            last = now
            report(f"  {compiled} of at most {total} packages after {now - started:.0f} s")
    return lines


def _failure(module: Module, output: str) -> str:
    tail = "\n".join(output.strip().splitlines()[-_LOG_LINES_KEPT:])
    return f"go build of {', '.join(module.components)} failed:\n{tail}"
