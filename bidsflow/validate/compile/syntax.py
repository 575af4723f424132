"""The language of the schema's selectors and checks: text to a tree.

The grammar is the part of JavaScript's expressions that the schema uses (``meta.expression_tests`` and
https://bids-specification.readthedocs.io/en/stable/appendices/schema.html). Backslashes in strings are plain
characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from bidsflow.errors import ExpressionError

#: How tightly operators bind; all are left-associative but the last.
_BINDING = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "**": 8,
}  # fmt: skip
_UNARY = 7
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<string>"[^"]*"|'[^']*')"""
    r"""|(?P<name>[A-Za-z_$][\w$]*)|(?P<mark>\*\*|\|\||&&|[=!<>]=|[-+*/%<>!()\[\]{},.]))"""
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a string, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A field of the context: ``sidecar``."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """``target.key``."""

    target: Node
    key: str


@dataclass(frozen=True, slots=True)
class Item:
    """``target[index]``."""

    target: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Call:
    """``name(arguments)``."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """``!operand`` or ``-operand``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """``left operator right``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Array:
    """``[items]``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Empty:
    """``{}``."""


Node = Literal | Name | Member | Item | Call | Unary | Binary | Array | Empty
_WORDS = {"true": Literal(True), "false": Literal(False), "null": Literal(None)}


class _Token(NamedTuple):
    kind: str
    text: str


_END = _Token("end", "")


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Parameters
    ----------
    text : str
        As it stands in the schema: ``'suffix == "bold"'``.

    Returns
    -------
    node : Node

    Raises
    ------
    ExpressionError
        If the text is not of the language.

    Examples
    --------
    >>> parse("length(json.Authors) > 1").operator
    '>'
    """
    parser = _Parser(text)
    node = parser.read(0)
    if parser.next is not _END:
        raise ExpressionError(text, parser.next.text)
    return node


def find_names(node: Node) -> frozenset[str]:
    """Return the fields of the context that an expression reads; of ``dataset``, its members."""
    match node:
        case Name(name):
            return frozenset({name})
        case Member(Name("dataset"), key):
            return frozenset({f"dataset.{key}"})
        case Member(target, _) | Unary(_, target):
            return find_names(target)
        case Item(left, right) | Binary(_, left, right):
            return find_names(left) | find_names(right)
        case Call(name, arguments):
            names = frozenset[str]().union(*map(find_names, arguments))
            return names | {"exists()"} if name == "exists" else names
        case Array(items):
            return frozenset[str]().union(*map(find_names, items))
    return frozenset()


class _Parser:
    """A reader by precedence (Pratt 1973) over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _split(text)
        self.at = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    def take(self) -> _Token:
        token = self.next
        self.at += 1
        return token

    def expect(self, mark: str) -> None:
        if (token := self.take()).text != mark or token.kind == "string":
            raise ExpressionError(self.text, token.text or "its end")

    def read(self, binding: int) -> Node:
        """Return the longest expression whose operators bind tighter than `binding`."""
        left = self.read_postfix(self.read_start())
        while self.next.kind in ("mark", "name") and _BINDING.get(self.next.text, 0) > binding:
            operator = self.take().text
            power = _BINDING[operator] - (operator == "**")
            left = Binary(operator, left, self.read(power))
        return left

    def read_start(self) -> Node:
        token = self.take()
        if token.kind == "number":
            return Literal(float(token.text) if set(token.text) & set(".eE") else int(token.text))
        if token.kind == "string":
            return Literal(token.text[1:-1])
        if token.kind == "name":
            return _WORDS.get(token.text) or Name(token.text)
        if token.text in ("!", "-"):
            return Unary(token.text, self.read(_UNARY - 1))
        if token.text == "(":
            node = self.read(0)
            self.expect(")")
            return node
        if token.text == "[":
            return Array(self.read_list("]"))
        if token.text == "{":
            self.expect("}")
            return Empty()
        raise ExpressionError(self.text, token.text or "its end")

    def read_postfix(self, node: Node) -> Node:
        while self.next.kind == "mark":
            mark = self.next.text
            if mark == ".":
                self.take()
                key = self.take()
                if key.kind != "name":
                    raise ExpressionError(self.text, key.text or "its end")
                node = Member(node, key.text)
            elif mark == "[":
                self.take()
                index = self.read(0)
                self.expect("]")
                node = Item(node, index)
            elif mark == "(" and isinstance(node, Name):
                self.take()
                node = Call(node.name, self.read_list(")"))
            else:
                break
        return node

    def read_list(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while self.next.text != end:
            items.append(self.read(0))
            if self.next.text != end:
                self.expect(",")
        self.expect(end)
        return tuple(items)


def _split(text: str) -> list[_Token]:
    """Cut an expression into tokens."""
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if not found:
            raise ExpressionError(text, text[at : at + 10])
        kind = str(found.lastgroup)
        tokens.append(_Token(kind, found[kind]))
        at = found.end()
    return tokens
