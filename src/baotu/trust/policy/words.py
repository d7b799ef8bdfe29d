"""Why, in words for people: both languages, with the names of the policies that decided."""

from __future__ import annotations

from collections.abc import Sequence

from baotu.sdk import Caller, Resource
from baotu.sdk.messages import SEAM
from baotu.sdk.trust import DUTIES, ROLES
from baotu.sdk.view import in_language

from .model import Catalogue
from .text import Rule
from .verdict import Verdict

MOST = 3  # policies that are named; more would not be read


def both(chinese: str, english: str) -> str:
    return f"{chinese}{SEAM}{english}"


def allowed(verdict: Verdict) -> str:
    rules = _first(verdict.rules)
    needs = "、".join(sorted(verdict.needs)), ", ".join(sorted(verdict.needs))
    chinese = f"准许：{_titles(rules, 'zh')}" + (f"；还需 {needs[0]}" if needs[0] else "")
    english = f"allowed: {_titles(rules, 'en')}" + (f"; needs {needs[1]} besides" * bool(needs[1]))
    return both(chinese, english)


def forbidden(
    caller: Caller, action: str, resource: Resource, verdict: Verdict, c: Catalogue
) -> str:
    zh, en = _what(caller, action, resource, c)
    rules = _first(verdict.rules)
    return both(f"{zh}：{_titles(rules, 'zh')}", f"{en}: {_titles(rules, 'en')}")


def missing(caller: Caller, action: str, resource: Resource, owner: str, c: Catalogue) -> str:
    """Nobody forbids it, nobody permits it: what would be needed, and who has it."""
    zh, en = _what(caller, action, resource, c)
    duties = [duty for duty in c.duties.get(action, ()) if duty in DUTIES]
    if not duties:
        return both(f"{zh}：没有策略准许 {action}", f"{en}: no policy permits {action}")
    roles = [role.title for role in ROLES.values() if role.duties & set(duties)]
    named = "、".join(in_language(DUTIES[d], "zh").partition("：")[0] for d in duties)  # type: ignore[index]
    ask = (
        "、".join(in_language(t, "zh") for t in roles),
        ", ".join(in_language(t, "en").lower() for t in roles),
    )
    return both(
        f"{zh}：需要组织「{owner}」中的职责「{named}」，可请：{ask[0]}",
        f"{en}: needs the duty {' or '.join(duties)} in organisation {owner}; ask: {ask[1]}",
    )


def outside(caller: Caller, action: str, resource: Resource, c: Catalogue) -> str:
    """The caller's own bound does not hold it."""
    zh, en = _what(caller, action, resource, c)
    whose = {"token": ("令牌", "token"), "app": ("应用", "app")}.get(caller.kind, ("", "caller"))
    return both(
        f"{zh}：{whose[0]}没有被授予 {action}", f"{en}: the {whose[1]} was not granted {action}"
    )


def unknown(resource: Resource) -> str:
    return both(
        f"没有「{resource.kind}」这类资源", f"there is no kind of resource {resource.kind!r}"
    )


def _what(caller: Caller, action: str, resource: Resource, c: Catalogue) -> tuple[str, str]:
    title = c.titles.get(action, action)
    return (
        f"不准 {caller.name} 对 {resource}「{in_language(title, 'zh')}」",
        f"{caller.name} may not «{in_language(title, 'en')}» on {resource}",
    )


def _first(rules: Sequence[Rule]) -> Sequence[Rule]:
    return rules[:MOST]


def _titles(rules: Sequence[Rule], language: str) -> str:
    named = (
        f"{in_language(rule.title, language)} ({rule.id})" if rule.title else rule.id or "—"
        for rule in rules
    )
    return ("；" if language == "zh" else "; ").join(named)
