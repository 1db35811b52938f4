"""How commands end: exit statuses that scripts can rely on, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """An exit status with its meaning for the reference."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    OK = 0, "it was done, and what was looked at is well"
    FAILED = 1, "it was done and came to nothing: the test failed, the far end refused, something is unwell"
    USAGE = 2, "the command was not understood"
    NOT_FOUND = 3, "there is no such object"
    DENIED = 4, "you may not, or your credentials are not accepted"
    UNREACHABLE = 5, "the API server or the hub could not be reached"
    TIMED_OUT = 6, "what was waited for did not come in time"
    INTERRUPTED = 130, "you ended it (Ctrl-C)"


class CliError(Exception):
    """Why a command ends; one line for a person, with the way out in it. Never a stack trace."""

    def __init__(self, message: str, exit_status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status
