"""Python's garbage collector in a process that lives long and holds much."""

from __future__ import annotations

import gc

_YOUNG = 20_000
"""Objects made since the last look. Python's 700 are one or two calls' worth here: nearly all of what such
a look meets is still in use."""


def settle() -> None:
    """Call it once everything is built: what was made until now stays, so nobody looks through it again.

    Measured on calls through the gateway: 5 to 9 % less CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 100)
