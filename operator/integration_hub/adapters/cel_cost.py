"""What a compiled CEL expression may cost: read its syntax tree, refuse what size does not bound.

The binding gives no syntax tree, but it serialises one: `cel.expr.CheckedExpr` of the CEL
specification (proto/cel/expr/checked.proto and syntax.proto). A few lines read that wire format, so the check
sees exactly what the engine will run, whatever quotes, comments or blanks the author used.

The rules, for inputs of at most 16 KiB:

* Only functions of a known list: none that multiplies text (`replace`, `join`, `format`).
* `matches` takes a short literal pattern with small counts. RE2 is linear in the text, but every
  `{900}` multiplies the work, and a 16 KiB pattern takes ten seconds.
* At most four searches through text (`matches`, `contains`).
* One list macro at most (they nest by multiplication), and beside it only comparisons: nothing
  that would build a new text on every round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from integration_hub.ports import ExpressionError

_OPERATORS = {
    *("_&&_", "_||_", "!_", "_?_:_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_[_]"),
    *("_-_", "_*_", "_/_", "_%_", "-_", "@not_strictly_false"),
}
_COMPARING = frozenset(
    {"size", "contains", "startsWith", "endsWith", "int", "uint", "double", "bool", "type", "dyn"}
)
_TEXT_BUILDING = frozenset(
    {
        *("matches", "string", "bytes", "timestamp", "duration", "lowerAscii", "upperAscii", "trim"),
        *("substring", "split", "indexOf", "lastIndexOf", "charAt", "reverse"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
MAX_SEARCHES = 4
MAX_PATTERN = 256
MAX_REPETITION = 64
_COUNT = re.compile(r"\{\s*(\d*)\s*,?\s*(\d*)")
FUNCTIONS = _COMPARING | _TEXT_BUILDING
MACROS = ("all", "exists", "exists_one", "filter", "has", "map")


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the syntax tree. `name`: the variable, field, function, message or literal text."""

    kind: str
    name: str = ""
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """What evaluation needs to know: which names the expression uses, and whether it walks a list."""

    names: frozenset[str] = field(default_factory=frozenset)
    has_macro: bool = False


def judge(serialized: bytes) -> Shape | ExpressionError:
    """Judge a serialised CheckedExpr (inside its `google.protobuf.Any`)."""
    nodes = list(_walk(_read_tree(serialized)))
    macros = sum(node.kind == "comprehension" for node in nodes)
    if macros > 1:
        return ExpressionError(
            "one list macro (all, exists, filter, map …) per expression: these cannot be combined"
        )
    if sum(node.kind == "call" and node.name in ("matches", "contains") for node in nodes) > MAX_SEARCHES:
        return ExpressionError(f"at most {MAX_SEARCHES} calls of matches() and contains() per expression")
    for node in nodes:
        message = _message_of_node(node, beside_macro=macros == 1)
        if message:
            return ExpressionError(message)
    return Shape(frozenset(node.name for node in nodes if node.kind == "ident"), macros == 1)


def _message_of_node(node: Node, *, beside_macro: bool) -> str:
    if node.kind == "message":
        return f"{node.name}{{…}} is not available here: write a map, as in {{'key': value}}"
    if node.kind != "call" or node.name in _OPERATORS:
        return ""
    if node.name == "_+_":
        # A macro appends to its own result with `+` and a list literal; anything else builds text.
        if beside_macro and node.children[-1].kind != "list":
            return "+ cannot be used together with a list macro: compare values only"
        return ""
    if node.name not in FUNCTIONS:
        return (
            f"{node.name}() is not available here; available are {', '.join(sorted({*FUNCTIONS, *MACROS}))}"
        )
    if node.name == "matches" and not _is_cheap_pattern(node.children[-1]):
        return (
            "matches() takes a literal pattern, as in text.matches('^ok'), of at most "
            f"{MAX_PATTERN} characters, with repetition counts of at most {MAX_REPETITION} in all"
        )
    if beside_macro and node.name in _TEXT_BUILDING:
        return f"{node.name}() cannot be used together with a list macro: compare values only"
    return ""


def _is_cheap_pattern(node: Node) -> bool:
    if node.kind != "text" or len(node.name) > MAX_PATTERN:
        return False
    product = 1
    for counts in _COUNT.findall(node.name):
        product *= max(int(count or "1") for count in counts) or 1
    return product <= MAX_REPETITION


def _walk(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.children)


# ------------------------------------------------------------------ the wire format

Wire = list[tuple[int, int | bytes]]


def _fields(data: bytes) -> Wire:
    """The fields of one protobuf message: (number, varint or bytes)."""
    found: Wire = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(data, at)
            found.append((number, value))
            continue
        if wire_type == 2:
            length, at = _varint(data, at)
        else:
            length = {1: 8, 5: 4}[wire_type]
        found.append((number, data[at : at + length]))
        at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _messages(wire: Wire, *numbers: int) -> list[bytes]:
    return [value for number, value in wire if number in numbers and isinstance(value, bytes)]


def _text(wire: Wire, number: int) -> str:
    return b"".join(_messages(wire, number)[:1]).decode()


def _read_tree(serialized: bytes) -> Node:
    (checked,) = _messages(_fields(serialized), 2)
    (expr,) = _messages(_fields(checked), 4)
    return _read(expr)


def _read(expr: bytes) -> Node:
    """One `cel.expr.Expr`: constant 3, identifier 4, field 5, call 6, list 7, map or message 8, macro 9."""
    for number, value in _fields(expr):
        if number < 3 or not isinstance(value, bytes):
            continue
        wire = _fields(value)
        match number:
            case 3:
                return Node("text", _text(wire, 6)) if _messages(wire, 6) else Node("const")
            case 4:
                return Node("ident", _text(wire, 1))
            case 5:
                return Node("select", _text(wire, 2), _children(wire, 1))
            case 6:
                return Node("call", _text(wire, 2), _children(wire, 1) + _children(wire, 3))
            case 7:
                return Node("list", children=_children(wire, 1))
            case 8:
                entries = [_fields(entry) for entry in _messages(wire, 2)]
                children = tuple(child for entry in entries for child in _children(entry, 3, 4))
                return Node("message" if _text(wire, 1) else "map", _text(wire, 1), children)
            case 9:
                return Node("comprehension", children=_children(wire, 2, 4, 5, 6, 7))
            case _:
                return Node("unknown")
    return Node("const")


def _children(wire: Wire, *numbers: int) -> tuple[Node, ...]:
    return tuple(_read(message) for message in _messages(wire, *numbers))
