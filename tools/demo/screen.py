"""What the demo shows: calm lines, a spinner where one has to wait, plain text where nobody watches."""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

INDENT = "  "
WIDTH = 100
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "-\\|/"
_FRAME_S = 0.1


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Colour only on a terminal that can show it, and never where NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


@dataclass
class Wait:
    """A step under way; `note` is what is happening just now, `done` what to say at its end."""

    text: str
    note: str = ""
    done: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.started


class Screen:
    """Writes to one stream. Lines are rewritten on a terminal only. Safe for one thread and its spinner."""

    def __init__(self, stream: TextIO = sys.stdout, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self._colour = wants_colour(stream, environment)
        self._live = stream.isatty() and environment.get("TERM") != "dumb"
        encoding = (getattr(stream, "encoding", "") or "").lower().replace("-", "")
        self._rich = encoding.startswith("utf")
        self._columns = int(environment.get("COLUMNS") or 0) or _columns(stream)

    def title(self, text: str, line: str) -> None:
        """The first words."""
        self._write(f"\n{INDENT}{self.bold(text)}\n{INDENT}{self.dim(line)}\n")

    def section(self, text: str) -> None:
        """A new part of the story."""
        self._write(f"\n{INDENT}{self.bold(text)}\n")

    def say(self, text: str) -> None:
        """A sentence or two, wrapped."""
        for line in textwrap.wrap(text, WIDTH - len(INDENT)):
            self._write(f"{INDENT}{line}\n")

    def gap(self) -> None:
        """An empty line."""
        self._write("\n")

    def command(self, line: str) -> None:
        """What a person would type."""
        self._write(f"\n{INDENT}{self.dim('$')} {self.cyan(line)}\n")

    def output(self, text: str) -> None:
        """What it answered. Lines wider than the terminal are cut, so that tables stay tables."""
        for line in text.rstrip("\n").splitlines():
            shown = (INDENT * 2 + line).rstrip()
            if self._live and len(shown) > self._columns:
                shown = shown[: self._columns - 1] + ("…" if self._rich else "")
            self._write(shown + "\n")

    def paragraph(self, text: str) -> None:
        """What it answered, where that is a sentence and no table."""
        for line in textwrap.wrap(text, WIDTH - 2 * len(INDENT)):
            self._write(f"{INDENT * 2}{line}\n")

    def aside(self, who: str, text: str) -> None:
        """A line that something else said, such as a stand-in."""
        bar = "│" if self._rich else "|"
        self._write(f"{INDENT * 2}{self.yellow(who)} {self.dim(bar)} {self.dim(text)}\n")

    def good(self, text: str) -> None:
        """Something that came out right."""
        self._write(f"\n{INDENT}{self.green(self._tick)} {text}\n")

    def bad(self, text: str) -> None:
        """Something that did not; with what to do about it."""
        mark = self._paint("31", "✗" if self._rich else "x")
        lead = f"\n{INDENT}{mark} "
        for line in text.splitlines() or [""]:
            for part in textwrap.wrap(line, WIDTH - 2 * len(INDENT)) or [""]:
                self._write(f"{lead}{part}\n")
                lead = INDENT * 2

    @contextmanager
    def wait(self, text: str) -> Iterator[Wait]:
        """A step with a name: a spinner while it runs, a tick and its time when it is done."""
        step = Wait(text)
        ended = threading.Event()
        spinner = threading.Thread(target=self._spin, args=(step, ended), daemon=True)
        if self._live:
            spinner.start()
        try:
            yield step
        except BaseException:
            self._end(ended, spinner)
            raise
        self._end(ended, spinner)
        mark = self.green(self._tick)
        said = f"{step.text:<16}{self.dim(step.done)}" if step.done else step.text
        self._write(f"{INDENT * 2}{mark} {said}  {self.dim(f'{step.seconds:.1f} s')}\n")

    def note(self, step: Wait, text: str) -> None:
        """Progress within a step: beside the spinner, or a line of its own where nobody watches."""
        step.note = text
        if not self._live:
            self._write(f"{INDENT * 2}{self.dim(text)}\n")

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def green(self, text: str) -> str:
        return self._paint("32", text)

    def yellow(self, text: str) -> str:
        return self._paint("33", text)

    def cyan(self, text: str) -> str:
        return self._paint("36", text)

    @property
    def _tick(self) -> str:
        return "✓" if self._rich else "+"

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text

    def _spin(self, step: Wait, ended: threading.Event) -> None:
        for frame in itertools.cycle(_FRAMES if self._rich else _PLAIN_FRAMES):
            line = f"{INDENT * 2}{frame} {step.text}"
            room = self._columns - len(line) - 12
            note = f"  {step.note[: max(room, 0)]}" if step.note else ""
            self._write(f"\r{line}{self.dim(note)}  {self.dim(f'{step.seconds:.0f} s')}\x1b[K")
            if ended.wait(_FRAME_S):
                return

    def _end(self, ended: threading.Event, spinner: threading.Thread) -> None:
        ended.set()
        if spinner.is_alive():
            spinner.join()
        if self._live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return WIDTH
