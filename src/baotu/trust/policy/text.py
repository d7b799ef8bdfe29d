"""Policies as text: cut into single ones with their places, read into scopes by Cedar's parser.

A policy whose scope has the plain form is read by one expression, which is a hundred times faster;
whatever is not exactly that form goes to Cedar. Cedar has the last word: what it does not
accept is never applied (see `check`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[^\s\w]|\w+', re.DOTALL)
CUTS = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;', re.DOTALL)
COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*', re.DOTALL)
NOTE = re.compile(r'@(\w+)\s*(?:\(\s*"((?:[^"\\]|\\.)*)"\s*\))?', re.DOTALL)
_UID = r'(\w+)\s*::\s*"([^"\\]*)"'
_SIDE = rf"(?:\s*(==|in)\s*{_UID}|\s*is\s+(\w+)(?:\s+in\s+{_UID})?)?"
_ACTION = r'Action\s*::\s*"[^"\\]*"'
_ACTIONS = rf"(?:\s*(==|in)\s*(\[?)\s*({_ACTION}(?:\s*,\s*{_ACTION})*)\s*(\]?))?"
PLAIN = re.compile(
    rf'\s*(?:@\w+\s*\(\s*"[^"\\]*"\s*\)\s*)*(permit|forbid)\s*\(\s*principal{_SIDE}\s*,'
    rf"\s*action{_ACTIONS}\s*,\s*resource{_SIDE}\s*,?\s*\)\s*((?:when|unless)\s*\{{.*)?;\s*",
    re.DOTALL,
)
OWN = re.compile(
    r"when\s*\{\s*resource\s*\.\s*organisation\s*==\s*principal\s*\.\s*organisation\s*\}\s*"
)
OF_HOUSE = re.compile(r"(when|unless)\s*\{\s*principal\s*\.\s*organisation\s*\.\s*house\s*\}\s*")
ACTION = re.compile(r'Action\s*::\s*"([^"\\]*)"')
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
BEGIN = re.compile(r"\)\s*(?:when|unless)\b")
RESOURCE = re.compile(r"\bresource\b")
ATTRIBUTE = re.compile(r"\bresource(?:\s*\.\s*(\w+)|\s+has\s+(\w+))")
ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|(.))", re.DOTALL)
ONE = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"} | {c: c for c in "\"'\\*"}
ANY = "*"


@dataclass(frozen=True, slots=True)
class Piece:
    """One policy: its text and where it begins."""

    text: str
    start: int


def cut(text: str) -> Iterator[Piece]:
    """The policies of a text, each from its first annotation to its semicolon; a rest without one
    is a piece too."""
    begin = 0
    for found in CUTS.finditer(text):
        if found.group() != ";":
            continue
        yield _piece(text, begin, found.end())
        begin = found.end()
    if without_comments(text[begin:]).strip():
        yield _piece(text, begin, len(text))


def _piece(text: str, begin: int, end: int) -> Piece:
    """Comments and space before a policy are not a part of it."""
    for token in TOKEN.finditer(text, begin, end):
        if not token.group().startswith("//"):
            return Piece(text[token.start() : end].rstrip(), token.start())
    return Piece(text[begin:end], begin)


def without_comments(text: str) -> str:
    return COMMENT.sub(lambda found: found[1] or "", text) if "//" in text else text


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


@dataclass(eq=False)
class Rule:
    """A policy by its scope. principal, resource: a key as `Thing.keys` gives them; a type besides
    when it says `is T in …`. known: a condition so common that it is decided without Cedar: `own`,
    the same organisation; `house`, `guest`: the asker is of the one that runs the node, or not. actions: names of actions and groups, with `=` before it when it is that action alone;
    empty: any."""

    __slots__ = (
        "__dict__", "actions", "conditional", "effect", "known", "principal", "principal_type",
        "resource", "resource_type", "text",
    )  # fmt: skip
    text: str
    effect: str
    principal: str
    principal_type: str
    actions: tuple[str, ...]
    resource: str
    resource_type: str
    conditional: bool
    known: str

    @property
    def forbids(self) -> bool:
        return self.effect == "forbid"

    @cached_property
    def notes(self) -> dict[str, str]:
        """Annotations by name."""
        head = without_comments(self.text)
        found: dict[str, str] = {}
        at = 0
        while note := NOTE.match(head, at + len(head[at:]) - len(head[at:].lstrip())):
            found[note[1]] = _unescaped(note[2] or "")
            at = note.end()
        return found

    @property
    def id(self) -> str:
        return self.notes.get("id", "")

    @property
    def title(self) -> str:
        return self.notes.get("title", "")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(word for word in self.notes.get("needs", "").split() if word)

    @cached_property
    def looks(self) -> Looks:
        """What its conditions look at, on the resource."""
        if self.known:
            return Looks(frozenset({"organisation"} if self.known == "own" else ()))
        if not self.conditional:
            return Looks()
        quick = quick_looks(self.text)
        return looks_of(_parsed(self.text)) if quick is None else quick

    def fits(self, principal_type: str, resource_type: str) -> bool:
        """The types besides, which keys do not say."""
        return (not self.principal_type or self.principal_type == principal_type) and (
            not self.resource_type or self.resource_type == resource_type
        )


@dataclass(frozen=True, slots=True)
class Looks:
    """What conditions look at on the resource: attributes, whether it is or lies in something
    (keys), or its very self in a way that only Cedar can tell."""

    attributes: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    itself: bool = False

    def __or__(self, other: Looks) -> Looks:
        return Looks(
            self.attributes | other.attributes, self.keys | other.keys, self.itself or other.itself
        )


def rule_of(piece: Piece) -> Rule:
    """Raises ValueError in Cedar's words when it is no policy."""
    found = PLAIN.fullmatch(without_comments(piece.text))
    return _plain(piece.text, found) if found is not None and _whole(found) else _read(piece.text)


def _whole(found: re.Match[str]) -> bool:
    """Brackets around several actions, closed ones, and none after ==."""
    if bool(found[9]) != bool(found[11]):
        return False
    return found[8] != "==" if found[9] else "," not in _outside(found[10])


def _outside(text: str | None) -> str:
    """Without what stands in quotes."""
    return re.sub(r'"[^"]*"', "", text or "")


def rules_of(text: str) -> list[Rule]:
    return [rule_of(piece) for piece in cut(text)]


def sound(rules: Sequence[Rule]) -> None:
    """Conditions are read by Cedar when they are first needed; here at once. Raises ValueError."""
    if texts := [rule.text for rule in rules if rule.conditional and not rule.known]:
        from cedarpy import PolicySet

        PolicySet.from_str("\n".join(texts))


def _plain(text: str, found: re.Match[str]) -> Rule:
    principal, principal_type = _side(*found.group(2, 3, 4, 5, 6, 7))
    exact = "=" if found[8] == "==" else ""
    actions = tuple(f"{exact}{name}" for name in ACTION.findall(found[10] or ""))
    resource, resource_type = _side(*found.group(12, 13, 14, 15, 16, 17))
    return Rule(
        text, found[1], principal, principal_type, actions, resource, resource_type,
        bool(found[18]), known(found[18] or ""),
    )  # fmt: skip


def known(condition: str) -> str:
    """See `Rule`; empty for any other."""
    if OWN.fullmatch(condition):
        return "own"
    if house := OF_HOUSE.fullmatch(condition):
        return "house" if house[1] == "when" else "guest"
    return ""


def _side(
    how: str | None, type: str | None, id: str | None, kind: str | None,
    inside: str | None, inside_id: str | None,
) -> tuple[str, str]:  # fmt: skip
    if how:
        return f"{'=' if how == '==' else '<'}{type}::{id}", ""
    if kind and inside:
        return f"<{inside}::{inside_id}", kind
    return (f"?{kind}" if kind else ANY), ""


def _parsed(text: str) -> Any:
    from cedarpy import policies_to_pst  # 16 MB that a node without policies never loads

    made = policies_to_pst(text)
    if made.templates or len(made.static_policies) != 1:
        raise ValueError("a policy names whom and what it is about; slots are not for policies")
    return next(iter(made.static_policies.values()))


def _read(text: str) -> Rule:
    node = _parsed(text)
    principal, principal_type = _scope(node.principal)
    resource, resource_type = _scope(node.resource)
    action = node.action
    match type(action).__name__:
        case "ActionEq":
            actions: tuple[str, ...] = (f"={action.entity.id}",)
        case "ActionIn":
            actions = tuple(str(entity.id) for entity in action.entities)
            actions = actions or ("",)  # in []: no action at all
        case _:
            actions = ()
    return Rule(
        text, node.effect, principal, principal_type, actions, resource, resource_type,
        bool(node.clauses), "",
    )  # fmt: skip


def _scope(node: Any) -> tuple[str, str]:
    match type(node).__name__:
        case "ScopeEq":
            return f"={node.entity.type}::{node.entity.id}", ""
        case "ScopeIn":
            return f"<{node.entity.type}::{node.entity.id}", ""
        case "ScopeIs":
            return f"?{node.entity_type}", ""
        case "ScopeIsIn":
            return f"<{node.entity.type}::{node.entity.id}", str(node.entity_type)
    return ANY, ""


def quick_looks(text: str) -> Looks | None:
    """The same as Cedar's parser would tell, or more, where the resource is only asked for
    attributes; None: ask the parser."""
    bare = QUOTED.sub('""', without_comments(text))
    begin = BEGIN.search(bare)
    if begin is None:
        return None
    condition = bare[begin.end() :]
    named = ATTRIBUTE.findall(condition)
    if len(named) != len(RESOURCE.findall(condition)):
        return None
    return Looks(frozenset(one or other for one, other in named))


def looks_of(node: Any) -> Looks:
    """Of a parsed policy's conditions."""
    found = Looks()
    for clause in node.clauses:
        found |= _looks(clause.expr)
    return found


def _looks(node: Any) -> Looks:
    kind = type(node).__name__
    if kind == "Var":
        return Looks(itself=True) if node.name == "resource" else Looks()
    if kind == "GetAttr" and _is_resource(node.base):
        return Looks(frozenset((node.attr,)))
    if kind == "HasAttr" and _is_resource(node.base):
        return Looks(frozenset(node.attrs[:1]))
    if kind == "Is" and _is_resource(node.base):
        return _within(node.in_expr) if node.in_expr is not None else Looks()
    if kind == "BinaryOp" and _is_resource(node.left) and node.op == "in":
        return _within(node.right)
    if kind == "BinaryOp" and _is_resource(node.left) and node.op == "eq":
        return _within(node.right, "=")
    found = Looks()
    for part in _parts(node):
        found |= _looks(part)
    return found


def _within(node: Any, how: str = "<") -> Looks:
    """`resource in E` where E is written out: the keys; else only Cedar can tell."""
    parts = node.elements if type(node).__name__ == "Set" else (node,)
    if all(type(part).__name__ == "EntityLit" for part in parts):
        return Looks(keys=frozenset(f"{how}{p.value.type}::{p.value.id}" for p in parts))
    return Looks(itself=True)


def _is_resource(node: Any) -> bool:
    return type(node).__name__ == "Var" and node.name == "resource"


def _parts(node: Any) -> Iterator[Any]:
    """Expressions right inside this one."""
    for name in getattr(node, "__slots__", ()):
        value = getattr(node, name)
        values = value.values() if isinstance(value, dict) else value
        for part in values if isinstance(values, tuple) or isinstance(value, dict) else (value,):
            if hasattr(part, "__dataclass_fields__"):
                yield part


def _unescaped(text: str) -> str:
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else ONE[found[2]], text)


__all__ = ["ANY", "Looks", "Piece", "Rule", "cut", "place", "rule_of", "rules_of"]
