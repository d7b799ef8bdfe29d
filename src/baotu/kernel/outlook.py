"""What a write would meet, told before it is asked for; and who could, in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, isfinite

from baotu.sdk import Caller, Denied, Resource, Tag
from baotu.sdk.messages import SEAM, bilingual, halves
from baotu.sdk.trust import Policy
from baotu.sdk.view import in_language
from baotu.sdk.writing import Outlook

from .guard import Guard

PERMISSION, APPROVE = "tags.write", "tags.approve"
MOST = 2**63 - 1  # of a whole number in a policy
NAMES = 6  # of those who could


def outlook(policy: Policy, guard: Guard, tag: Tag, caller: Caller, now: int) -> Outlook:
    """See `sdk.writing.Outlook`. Asks the policy as a write inside the limits would."""
    on = Resource("tag", tag.name)
    value, quality, time = guard.newest(tag.id) or (None, 0, 0)
    decided = policy.judge(caller, PERMISSION, on, {"inside": True})
    conditions = guard.conditions(tag, now)
    refused = next((c.why for c in conditions if c.why), "")
    try:
        guard.check_tag(tag)
    except Denied as error:
        refused = str(error)
    approval = "approver" in decided.needs
    return Outlook(
        tag=tag.name, kind=tag.kind, unit=tag.unit, title=tag.title, low=tag.low, high=tag.high,
        value=None if value != value else value, quality=quality, time=time,
        refused=bilingual(refused if decided.allowed else decided.why), policies=decided.policies,
        who_may=tuple(policy.who_may(PERMISSION, on)), approval=approval,
        approvers=tuple(policy.who_may(APPROVE, on)) if approval else (), conditions=conditions,
    )  # fmt: skip


def wholes(value: float | str) -> list[dict[str, object]]:
    """What a policy is told of a value: policies compare whole numbers, so one between two of them
    has to be allowed as both. A text, or what is no number, is told as none."""
    if isinstance(value, str) or not isfinite(value):
        return [{}]
    near = {floor(value), ceil(value)}
    return [{"value": max(-MOST, min(MOST, one))} for one in sorted(near)]


def with_who(why: str, names: Sequence[str]) -> str:
    """A refusal with those who could, in both languages."""
    if not names:
        return why
    chinese, english = halves(bilingual(why))
    if chinese == english:
        chinese, english = in_language(why, "zh"), in_language(why, "en")
    some = "、".join(in_language(name, "zh") for name in names[:NAMES])
    others = ", ".join(in_language(name, "en") for name in names[:NAMES])
    return f"{chinese}；可找 {some}{SEAM}{english}; ask {others}"
