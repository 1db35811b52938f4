"""CEL by `cel-expr-python`, the binding of the official C++ runtime: `ports.Expressions`.

The engine runs inside our process, so an expression must not be able to take long or much memory.
Three things make that so. The engine itself bounds parse recursion (32) and macro iterations
(10,000). We bound what goes in: source 1 KiB, inputs 16 KiB and 64 levels. And `cel_cost` refuses
what those figures do not bound. Measured: the worst that is left takes about 0.1 s. So that many of those
do not hold up everybody else, all that is dear takes one share of the time together (`_Meter`).
"""

from __future__ import annotations

import base64
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from integration_hub.adapters.cel_cost import judge
from integration_hub.ports import ExpressionError, Json, Program

MAX_SOURCE_BYTES = 1_024
MAX_INPUT_BYTES = 16_384
MAX_INPUT_DEPTH = 64
MAX_MACRO_LIST = 256
MAX_RESULT_BYTES = 65_536
DEAR_SECONDS = 0.01
"""An evaluation beyond this is dear: what the catalogue has takes a hundredth of it."""
DEAR_SHARE = 0.05
"""Of the time, so much at most for all that is dear."""

_NUL = "it holds a NUL character, at which the engine would cut the text off"
_POSITION = re.compile(r"<input>:(\d+):(\d+): ")
_STATUS_WORD = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")


class CelExpressions:
    """Compiles expressions and remembers the results, at most `remember` of them, the oldest use first out.

    Safe to share between tasks of one event loop; not meant for several threads.
    """

    def __init__(
        self,
        *,
        remember: int = 2_048,
        wall: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._remember = remember
        self._meter = _Meter(wall, cpu)
        self._environments: dict[tuple[str, ...], cel.Env] = {}
        self._programs: OrderedDict[tuple[str, tuple[str, ...]], Program | ExpressionError] = OrderedDict()

    def compile(self, source: str, variables: Sequence[str]) -> Program | ExpressionError:
        """See `ports.Expressions.compile`. An error names line and column of the expression."""
        names = tuple(sorted(set(variables)))
        key = (source, names)
        known = self._programs.get(key)
        if known is not None:
            self._programs.move_to_end(key)
            return known
        program = self._compile(source, names)
        if len(source) <= MAX_SOURCE_BYTES:
            self._programs[key] = program
            while len(self._programs) > self._remember:
                self._programs.popitem(last=False)
        return program

    def _compile(self, source: str, names: tuple[str, ...]) -> Program | ExpressionError:
        if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
            return ExpressionError(f"the expression is longer than {MAX_SOURCE_BYTES} bytes")
        if "\0" in source:
            return ExpressionError("the expression holds a NUL character")
        try:
            compiled = self._environment(names).compile(source)
            shape = judge(compiled.serialize())
        except Exception as error:  # noqa: BLE001 - the binding raises bare RuntimeErrors, some of them its own bugs
            return ExpressionError(_readable(str(error)))
        if isinstance(shape, ExpressionError):
            return shape
        return CelProgram(compiled, frozenset(names) & shape.names, shape.has_macro, self._meter)

    def _environment(self, names: tuple[str, ...]) -> cel.Env:
        environment = self._environments.get(names)
        if environment is None:
            environment = cel.NewEnv(
                variables=dict.fromkeys(names, cel.Type.DYN), extensions=[ext_strings.ExtStrings()]
            )
            self._environments[names] = environment
        return environment


class CelProgram:
    """A compiled expression. Only the variables it uses are measured and handed to the engine."""

    __slots__ = ("_compiled", "_has_macro", "_last", "_meter", "_took", "_used")

    def __init__(
        self, compiled: cel.Expression, used: frozenset[str], has_macro: bool, meter: _Meter
    ) -> None:
        self._compiled = compiled
        self._used = used
        self._has_macro = has_macro
        self._meter = meter
        self._took = self._last = 0.0

    def evaluate(self, variables: Mapping[str, Json]) -> Json | ExpressionError:
        """See `ports.Program.evaluate`. Times become RFC 3339 text, durations `3.5s`, bytes base64."""
        if not self._meter.allows(self._took):
            return ExpressionError(
                "it took too long before, and is held back so that others get their turn", later=True
            )
        began = self._meter.cpu()
        value = self._evaluate(variables)
        took = self._meter.cpu() - began
        # The quicker of the last two: a garbage collection in one of them makes nothing dear.
        self._took, self._last = min(self._last, took), took
        self._meter.spent(self._took)
        return value

    def _evaluate(self, variables: Mapping[str, Json]) -> Json | ExpressionError:
        data = {name: variables[name] for name in self._used if name in variables}
        excess, huge = _measure(data, longest_list=MAX_MACRO_LIST if self._has_macro else MAX_INPUT_BYTES)
        if excess:
            return ExpressionError(f"the data cannot be given to an expression: {excess}")
        try:
            if huge:
                data = {name: _with_doubles(value) for name, value in data.items()}
            value = self._compiled.eval(data=data)
            if value.type() in (cel.Type.ERROR, cel.Type.UNKNOWN):
                return ExpressionError(_readable(str(value.plain_value())))
            return _to_json(value.plain_value(), _Allowance(MAX_RESULT_BYTES))
        except _UnusableResultError as error:
            return ExpressionError(str(error))
        except Exception as error:  # noqa: BLE001 - see _compile; evaluation never raises to its caller
            return ExpressionError(_readable(str(error)))


class _Meter:
    """Holds back what is dear, once it has used up its share of the time. In seconds."""

    def __init__(self, wall: Callable[[], float], cpu: Callable[[], float]) -> None:
        self._wall = wall
        self._free_at = 0.0
        self.cpu = cpu
        """CPU time of this thread: that others were busy makes nobody dear."""

    def allows(self, took: float) -> bool:
        """Whether a program that took so long may run now."""
        return took <= DEAR_SECONDS or self._wall() >= self._free_at

    def spent(self, seconds: float) -> None:
        if seconds > DEAR_SECONDS:
            self._free_at = max(self._free_at, self._wall()) + seconds / DEAR_SHARE


def _measure(data: Mapping[str, Any], *, longest_list: int) -> tuple[str, bool]:
    """Why the data cannot be taken, or empty; and whether it holds an integer beyond 64 bits.

    Walks without recursion, level by level, and stops at the bound.
    """
    budget = MAX_INPUT_BYTES
    huge = False
    level: list[Any] = list(data.values())
    for _ in range(MAX_INPUT_DEPTH):
        below: list[Any] = []
        for value in level:
            size = _own_size(value)
            if size < 0:
                return _NUL, huge
            budget -= size
            if isinstance(value, dict | list):
                if len(value) > longest_list:
                    return f"a list macro takes at most {longest_list} entries", huge
                if budget >= 0:
                    below.extend(value.values() if isinstance(value, dict) else value)
            elif isinstance(value, int):
                huge = huge or value.bit_length() > 63
            if budget < 0:
                return f"more than {MAX_INPUT_BYTES} bytes", huge
        if not below:
            return "", huge
        level = below
    return f"nested deeper than {MAX_INPUT_DEPTH} levels", huge


def _own_size(value: Any) -> int:
    """Bytes of a value without those inside of it, about; -1 if it holds a NUL itself."""
    if isinstance(value, str):
        if "\0" in value:
            return -1
        return (len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))) + 2
    if isinstance(value, dict):
        keys = "".join(map(str, value))
        return -1 if "\0" in keys else 2 + 4 * len(value) + len(keys)
    if isinstance(value, list):
        return 2 + len(value)
    return 4


def _with_doubles(value: Any) -> Any:
    """Integers beyond 64 bits as doubles: CEL has no larger integers, and one must not spoil the rest."""
    if isinstance(value, dict):
        return {key: _with_doubles(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_with_doubles(child) for child in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return float(value) if value.bit_length() < 1024 else math.inf
    return value


class _UnusableResultError(Exception):
    """The value of an expression is not JSON, or too large."""


class _Allowance:
    """What is left of the size that a result may have."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _UnusableResultError(f"the result is larger than {MAX_RESULT_BYTES} bytes")


def _to_json(value: Any, allowance: _Allowance) -> Json:
    if value is None or isinstance(value, bool | int):
        allowance.spend(8)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _UnusableResultError("the result is not a finite number")
        allowance.spend(8)
        return value
    if isinstance(value, str):
        allowance.spend(len(value.encode("utf-8", "surrogatepass")) + 2)
        return value
    if isinstance(value, bytes | bytearray):
        allowance.spend(2 * len(value))
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, list):
        allowance.spend(2 + len(value))
        return [_to_json(child, allowance) for child in value]
    if isinstance(value, dict):
        allowance.spend(2 + 8 * len(value))
        return {_key(key): _to_json(child, allowance) for key, child in value.items()}
    if isinstance(value, cel.Type):
        return value.name().lower()
    raise _UnusableResultError("the result is not a JSON value")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def _readable(message: str) -> str:
    """The engine's message as one line for the author: position first, no status words, no quoted data."""
    first = message.split("\n", 1)[0]
    first = _STATUS_WORD.sub("", _STATUS_WORD.sub("", first))
    first = first.removeprefix("ERROR: ").replace(" (in container '')", "")
    if first.startswith("Non-CEL value type"):
        return "the data holds something that is not JSON"
    if "iteration budget" in first.lower():
        return "the expression walks too many entries (limit 10,000)"
    if "recursion" in first:
        return "the expression is nested too deeply (limit 32 levels)"
    where = _POSITION.match(first)
    text = first[where.end() :] if where else first
    return f"{text} (line {where[1]}, column {where[2]})" if where else text
