"""The tree of an expression as Python source: one lambda of the context."""

from __future__ import annotations

from typing import Final

from bidsflow.validate.compile.javascript import FUNCTIONS
from bidsflow.validate.compile.syntax import Array, Binary, Call, Empty, Item, Literal, Member, Name, Node, Unary

#: The fields of a context (``meta.context`` of the schema); any other name is undefined.
FIELDS: Final = (
    "schema", "dataset", "subject", "path", "size", "entities", "datatype", "suffix", "extension", "modality",
    "sidecar", "associations", "columns", "json", "gzip", "nifti_header", "ome", "tiff",
)  # fmt: skip
#: Those that are always objects, so that their members need no test.
_OBJECTS: Final = ("schema", "dataset", "subject", "entities", "sidecar", "associations", "columns", "json")
_OPERATORS: Final = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder", "**": "power", "in": "contains",
}  # fmt: skip
_ORDERS: Final = {
    "<": "less({0}, {1})", "<=": "at_most({0}, {1})", ">": "less({1}, {0})", ">=": "at_most({1}, {0})",
}  # fmt: skip
_PREDICATES: Final = ("match", "allequal")


def write_value(node: Node) -> str:
    """Return source that gives the value of an expression.

    Examples
    --------
    >>> from bidsflow.validate.compile.syntax import parse
    >>> write_value(parse("sidecar.EchoTime"))
    "c.sidecar.get('EchoTime', U)"
    """
    match node:
        case Literal(value):
            return repr(value)
        case Name(name):
            return f"c.{name}" if name in FIELDS else "U"
        case Member(Name(name), key) if name in _OBJECTS:
            return f"c.{name}.get({key!r}, U)"
        case Member(target, key):
            return f"get({write_value(target)}, {key!r})"
        case Item(target, index):
            return f"get_item({write_value(target)}, {write_value(index)})"
        case Call(name, arguments):
            return _write_call(name, arguments)
        case Array(items):
            return "[" + ", ".join(map(write_value, items)) + "]"
        case Empty():
            return "{}"
        case Unary() | Binary():
            return _write_operation(node)


def write_test(node: Node) -> str:
    """Return source that gives whether an expression holds.

    Examples
    --------
    >>> from bidsflow.validate.compile.syntax import parse
    >>> write_test(parse('suffix == "bold" && sidecar.TaskName != null'))
    "(c.suffix == 'bold' and (not is_null(c.sidecar.get('TaskName', U))))"
    """
    match node:
        case Binary("&&", left, right):
            return f"({write_test(left)} and {write_test(right)})"
        case Binary("||", left, right):
            return f"({write_test(left)} or {write_test(right)})"
        case Call("intersects", _):
            return f"({write_value(node)} is not False)"
        case Unary("!", _) | Binary("==" | "!=" | "<" | "<=" | ">" | ">=" | "in", _, _):
            return write_value(node)
        case Call(name, _) if name in _PREDICATES:
            return write_value(node)
    return f"truthy({write_value(node)})"


def _write_call(name: str, arguments: tuple[Node, ...]) -> str:
    if name not in FUNCTIONS:
        return "throw()"
    given = [write_value(argument) for argument in arguments]
    if name == "exists":
        given.insert(0, "c")
    return f"{FUNCTIONS[name].__name__}({', '.join(given)})"


def _write_operation(node: Unary | Binary) -> str:
    match node:
        case Unary("!", operand):
            return f"(not {write_test(operand)})"
        case Unary(_, operand):
            return f"negate({write_value(operand)})"
        case Binary("&&", left, right):
            return f"({write_value(right)} if truthy(t := {write_value(left)}) else t)"
        case Binary("||", left, right):
            return f"(t if truthy(t := {write_value(left)}) else {write_value(right)})"
        case Binary():
            return _write_binary(node)


def _write_binary(node: Binary) -> str:
    left, right = write_value(node.left), write_value(node.right)
    if node.operator in ("==", "!="):
        test = _write_equality(node, left, right)
        return test if node.operator == "==" else f"(not {test})"
    if node.operator in _ORDERS:
        return _ORDERS[node.operator].format(left, right)
    return f"{_OPERATORS[node.operator]}({left}, {right})"


def _write_equality(node: Binary, left: str, right: str) -> str:
    if isinstance(node.right, Literal) and node.right.value is None:
        return f"is_null({left})"
    texts = ("suffix", "extension", "datatype", "modality", "path")
    if node.right == Literal("null") and isinstance(node.left, Call) and node.left.name == "type":
        return f"is_null({write_value(node.left.arguments[0])})"
    plain = isinstance(node.left, Name) and node.left.name in texts
    if plain and isinstance(node.right, Literal) and isinstance(node.right.value, str):
        return f"{left} == {right}"
    return f"equals({left}, {right})"
