"""A text of policies, examined before it is accepted: every mistake with its line and column.

Cedar parses and checks it strictly against the schema. Beyond that a policy has a name of its own
and a title, and none may permit what only the decision chain does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .model import AUDIT_CHANGE, Catalogue
from .text import TOKEN, Piece, Rule, cut, place, rule_of
from .words import both

LONGEST = 20_000_000  # characters of a text; some hundred thousand policies
NEEDS = frozenset({"approver"})
CUT_SHORT = "unexpected end of input"
FOLLOWS = "unable to find an applicable action"  # said besides of every unknown name


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong (中文 English), and where: both from 1. policy: its @id, if it has one."""

    line: int
    column: int
    policy: str
    why: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.policy + ': ' if self.policy else ''}{self.why}"


def problems(text: str, catalogue: Catalogue, taken: Iterable[str] = ()) -> list[Problem]:
    """Everything wrong with it, in order of the lines. taken: names that others have already."""
    if len(text) > LONGEST:
        return [Problem(line=1, column=1, policy="", why=both("太长", "is too long"))]
    found: list[Problem] = []
    pieces = list(cut(text))
    whole: list[tuple[Piece, Rule]] = []
    for piece in pieces:
        try:
            _parse(piece.text)
            whole.append((piece, rule_of(piece)))
        except ValueError as error:
            at = piece.start + _where(piece.text, str(error))
            found.append(
                _problem(text, at, "", both(f"不是策略：{error}", f"is no policy: {error}"))
            )
    found += _named(text, whole, set(taken))
    found += _forbidden(text, whole)
    found += _typed(text, whole, catalogue)
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def _parse(text: str) -> None:
    from cedarpy import PolicySet

    if len(PolicySet.from_str(text)) != 1:  # a template, with slots, is none
        raise ValueError("name whom and what it is about; slots are not for policies")


def _where(text: str, said: str) -> int:
    """Where Cedar stumbled: it names what it met, not the place, so the shortest beginning that is
    wrong in another way than by being cut short is looked for."""
    tokens = [t for t in TOKEN.finditer(text) if not t.group().startswith("//")]
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        try:
            _parse(text[: tokens[middle].end()])
            wrong = False
        except ValueError as error:
            wrong = CUT_SHORT not in str(error)
        low, high = (low, middle) if wrong else (middle + 1, high)
    last = min(low, len(tokens) - 1)
    for at in range(last, max(last - 3, -1), -1):
        if f"`{tokens[at].group()}`" in said:
            return tokens[at].start()
    for token in tokens:
        if said.endswith(f": {token.group()}"):
            return token.start()
    return tokens[last].start() if tokens else 0


def _named(text: str, whole: Sequence[tuple[Piece, Rule]], taken: set[str]) -> Iterable[Problem]:
    for piece, rule in whole:
        if not rule.id:
            why = both('缺少 @id("…")，即策略的名字', 'needs @id("…"), its name')
        elif rule.id in taken:
            why = both(f"名字 {rule.id} 已有", f"the name {rule.id} is taken")
        elif not rule.title:
            why = both('缺少 @title("中文 English")', 'needs @title("中文 English")')
        elif more := rule.needs - NEEDS:
            names = ", ".join(sorted(more))
            why = both(f"@needs 不认识 {names}", f"@needs knows no {names}; it knows approver")
        else:
            taken.add(rule.id)
            continue
        yield _problem(text, piece.start, rule.id, why)


def _forbidden(text: str, whole: Sequence[tuple[Piece, Rule]]) -> Iterable[Problem]:
    """GB/T 22239-2019 8.1.4.3: the audit is protected from everyone, administrators too."""
    for piece, rule in whole:
        names = {action.removeprefix("=") for action in rule.actions}
        if not rule.forbids and AUDIT_CHANGE in names:
            at = piece.start + max(piece.text.find(AUDIT_CHANGE), 0)
            why = both("谁也不能被准许改审计", "nobody can be permitted to change the audit")
            yield _problem(text, at, rule.id, why)


def _typed(
    text: str, whole: Sequence[tuple[Piece, Rule]], catalogue: Catalogue
) -> Iterable[Problem]:
    """What Cedar's validator says: unknown actions, types and attributes, types that do not fit."""
    if not whole:
        return
    from cedarpy import Schema, validate_policies

    schema = Schema.from_str(catalogue.schema())
    result = validate_policies("\n".join(piece.text for piece, _ in whole), schema)
    seen: set[tuple[str, str]] = set()
    wrong = {error.policy_id for error in result.errors if FOLLOWS not in error.error}
    for error in result.errors:
        said = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        follows = FOLLOWS in said and error.policy_id in wrong
        if follows or (error.policy_id, said) in seen:
            continue
        seen.add((error.policy_id, said))
        number = error.policy_id.removeprefix("policy")
        if not number.isdigit():
            yield _problem(text, 0, "", both(f"校验：{said}", said))
            continue
        piece, rule = whole[int(number)]
        at = piece.start + _mentioned(piece.text, said)
        yield _problem(text, at, rule.id, both(f"校验不通过：{said}", said))


def _mentioned(text: str, said: str) -> int:
    """Where the policy says what the message quotes; the beginning when it does not."""
    for quoted in said.split("`")[1::2]:
        word = quoted.partition('::"')[2].rstrip('"') or quoted
        if (at := text.find(word)) >= 0:
            return at
    return 0


def _problem(text: str, at: int, policy: str, why: str) -> Problem:
    line, column = place(text, at)
    return Problem(line=line, column=column, policy=policy, why=why)
