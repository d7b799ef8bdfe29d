"""What somebody may do at most, from the roles held: the bound of `Caller.permissions`.

One function, so that a policy engine can take its place. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from baotu.sdk.door import Verb
from baotu.sdk.trust import ACTIONS, ROLES

Rights = Callable[[frozenset[str]], frozenset[str]]


def rights_of(verbs: Callable[[], Iterable[Verb]]) -> Rights:
    """roles → duties → actions of the platform and of the verbs of its apps."""
    found: dict[frozenset[str], frozenset[str]] = {}  # one entry for each set of roles: 2⁷ at most
    duties_of: dict[str, str] = {}

    def rights(roles: frozenset[str]) -> frozenset[str]:
        if roles not in found:
            if not duties_of:
                duties_of.update({v.permission: v.duty for v in verbs() if v.permission})
                duties_of.update({action: duty for action, (duty, _) in ACTIONS.items()})
            held = {duty for name in roles if name in ROLES for duty in ROLES[name].duties}
            found[roles] = frozenset(a for a, duty in duties_of.items() if duty in held)
        return found[roles]

    return rights
