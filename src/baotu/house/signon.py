"""Sign-in across systems, wired to the accounts: ours for other programs, other providers' for us."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import structlog

from baotu.kernel.effects import Chain
from baotu.sdk import Caller, ConfigError, Conflict, Denied, Invalid, Refused, Unreachable
from baotu.sdk.clock import Clock
from baotu.sdk.oidc import Provider
from baotu.sdk.outside import Arrived, Offered, Refusal, Way
from baotu.sdk.people import TooMany, Visit
from baotu.trust.oidc.keys import Keys
from baotu.trust.oidc.provider import OpenIdProvider
from baotu.trust.oidc.settings import IdentityProvider
from baotu.trust.people import Service
from baotu.trust.people.holders import Holders
from baotu.trust.people.outside import NoAccount, Proved
from baotu.trust.secrets import Resolver

if TYPE_CHECKING:
    from baotu.trust.oidc.outside import Identity, RelyingParty

log = structlog.get_logger("baotu.signon")
KEYS = Path("trust") / "oidc.json"
MOST_WAYS, WAY_S = 10_000, 700
SECOND = 10**9
NO_PROVIDER = "没有这个登录方式 There is no such way to sign in"


def provider_of(
    chain: Chain, people: Service, data: Path, clock: Clock, organisation: str
) -> Provider:
    """Ours, for programs that an officer registered. Its keys are made when somebody first asks."""
    return OpenIdProvider(chain, Holders(people), Keys(data / KEYS, clock), organisation)


class OutsideDoors:
    """Implements `sdk.outside.Outside`. `configure` may be called again at any time."""

    def __init__(self, people: Service, clock: Clock, resolver: Resolver) -> None:
        self._people, self._clock, self._resolver = people, clock, resolver
        self._doors: Mapping[str, tuple[IdentityProvider, RelyingParty]] = {}
        self._lock = threading.Lock()
        self._ways: OrderedDict[str, tuple[int, Way]] = OrderedDict()  # by state

    def configure(self, providers: Sequence[IdentityProvider]) -> None:
        """A provider whose secret cannot be had is left out, and said; the others stand."""
        doors: dict[str, tuple[IdentityProvider, RelyingParty]] = {}
        for given in providers:
            try:
                made = self._resolver.settings(given, f"[[identity_provider]] {given.name}")
            except ConfigError as error:
                log.warning("nobody can sign in with it", provider=given.name, why=str(error))
                continue
            kept = self._doors.get(given.name)  # with whoever is on the way just now
            doors[given.name] = kept if kept and kept[0] == made else (made, self._party(made))
        self._doors = doors

    def _party(self, made: IdentityProvider) -> RelyingParty:
        from baotu.trust.oidc.outside import OutsideProvider, RelyingParty, fetched

        about = OutsideProvider(
            name=made.name, title=made.title or made.name, issuer=made.issuer, client=made.client,
            secret=made.secret, scope=made.scope, name_claim=made.name_claim,
            roles_claim=made.roles_claim, roles=dict(made.roles),
        )  # fmt: skip
        return RelyingParty(about, self._clock, partial(fetched, ca_file=made.ca_file))

    def offered(self) -> Sequence[Offered]:
        return [Offered(name=n, title=made.title or n) for n, (made, _) in self._doors.items()]

    def begin(self, name: str, redirect: str, browser: str, way: Way) -> tuple[str, str]:
        if name not in self._doors:
            raise Invalid("provider", NO_PROVIDER)
        state = token_urlsafe(24)
        told = self._doors[name][1].begin(redirect, state, browser)
        with self._lock:
            self._ways[state] = (self._clock.now() + WAY_S * SECOND, way)
            while len(self._ways) > MOST_WAYS:
                self._ways.popitem(last=False)
        return told

    def finish(
        self, name: str, asked: Mapping[str, str], browser: str, visit: Visit, caller: Caller | None
    ) -> Arrived:
        with self._lock:
            until, way = self._ways.pop(asked.get("state", ""), (0, Way()))
        arrived = Arrived(way=way)
        if name not in self._doors or until < self._clock.now():
            return replace(arrived, refused="late")
        made, party = self._doors[name]
        try:
            who = party.finish(asked, browser)
        except (Denied, Refused, Unreachable) as error:
            return replace(arrived, refused=self._not_proved(name, error, visit))
        if way.via:
            return self._link(arrived, made, who, caller)
        try:
            return replace(arrived, step=self._people.enter(_proved(made, who), visit))
        except NoAccount as error:
            code: Refusal = error.code  # type: ignore[assignment] # one of three, see NoAccount
            return replace(arrived, refused=code, identity=f"{who.name} ({who.subject})")
        except TooMany:
            return replace(arrived, refused="often")

    def _link(
        self, arrived: Arrived, made: IdentityProvider, who: Identity, caller: Caller | None
    ) -> Arrived:
        """Only in the session in which it was begun: nobody is linked by a page of somebody else."""
        if caller is None or caller.via != arrived.way.via:
            return replace(arrived, refused="session")
        try:
            self._people.link_own(caller, _proved(made, who))
        except Conflict:
            return replace(arrived, refused="linked")
        except Denied:
            return replace(arrived, refused="session")
        return arrived

    def _not_proved(self, name: str, error: Exception, visit: Visit) -> Refusal:
        """For the log what is wrong with the other side, for the person one word."""
        if isinstance(error, Unreachable):
            log.warning("the provider does not answer", provider=name, why=str(error))
            return "away"
        code: Refusal = getattr(error, "code", "untrusted")
        if code in ("browser", "untrusted"):
            log.warning("a sign-in was refused", provider=name, why=str(error))
            self._people.failed("outside", None, visit)
        return code if isinstance(code, str) else "untrusted"


def _proved(made: IdentityProvider, who: Identity) -> Proved:
    return Proved(
        provider=made.name, provider_title=made.title or made.name, issuer=who.issuer,
        subject=who.subject, name=who.name, title=who.title, roles=who.roles,
        second=made.second_factor, make=made.new_accounts == "make",
    )  # fmt: skip
