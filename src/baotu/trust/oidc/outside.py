"""Sign-in with an identity of somebody else's provider: the relying party of OpenID Connect.

Authorization code with PKCE, state and nonce; the identity token is checked in full (OpenID Connect
Core 3.1.3.7). What is between begin and finish rests in memory, bounded, and only for the browser
that began. Never creates an account: it says who somebody proved to be.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import threading
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from baotu.sdk import Denied, Refused, Unreachable
from baotu.sdk.clock import Clock

from .places import safe

SECOND = 10**9
AWAY_S = 5  # a provider that does not answer is left alone for so long
UNDER_WAY, UNDER_WAY_S = 10_000, 600
KNOWN_S = 3600  # discovery and keys are asked again after this
LEEWAY_S = 60  # between two clocks
LONGEST = 1 << 20
TIMEOUT_S = 10.0
SIGNED = ["RS256", "ES256", "PS256", "EdDSA", "Ed25519", "RS384", "ES384", "RS512", "ES512"]


@dataclass(frozen=True, kw_only=True)
class OutsideProvider:
    """A provider as it was configured. roles_claim: where its groups stand; roles: group → role."""

    name: str
    title: str
    issuer: str
    client: str
    secret: str = field(default="", repr=False)
    scope: str = "openid profile"
    name_claim: str = "preferred_username"
    roles_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who somebody proved to be. (issuer, subject) is the name for ever; name: to sign in with;
    title: of the person, as far as they are told."""

    provider: str
    issuer: str
    subject: str
    name: str
    roles: frozenset[str]
    title: str = ""


class NotProved(Denied):
    """Nobody has proved who they are. code: late (not begun here, or too long ago), browser (begun
    in another one), refused (the provider or the person said no), untrusted (the answer is not to be
    believed)."""

    def __init__(self, why: str, code: Literal["late", "browser", "refused", "untrusted"]) -> None:
        super().__init__(why)
        self.code = code


class Fetch(Protocol):
    def __call__(
        self, address: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """JSON from an address, by GET or as the answer to a form. Raises Unreachable, Refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay:
    nonce: str
    verifier: str
    redirect: str
    browser: str  # digest of the secret in its cookie
    until: int


class RelyingParty:
    """One for each provider. Safe to call from any thread."""

    def __init__(self, provider: OutsideProvider, clock: Clock, fetch: Fetch | None = None) -> None:
        safe(provider.issuer)
        self.provider, self._clock, self._fetch = provider, clock, fetch or fetched
        self._lock = threading.Lock()
        self._ways: OrderedDict[str, _UnderWay] = OrderedDict()
        self._asking = threading.Lock()
        self._away_until, self._away = 0, ""
        self._about: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._known = 0

    def begin(self, redirect: str, state: str = "", browser: str = "") -> tuple[str, str]:
        """(where to send the browser, the secret for its cookie). state: of the caller's own making,
        unguessable. browser: the secret this browser has already, so that two of its tabs do not
        disturb each other. Raises Unreachable, Refused, NotProved."""
        about = self._discovered()
        state = state or secrets.token_urlsafe(24)
        browser = browser if len(browser) >= 43 else secrets.token_urlsafe(32)
        way = _UnderWay(
            nonce=secrets.token_urlsafe(24), verifier=secrets.token_urlsafe(48), redirect=redirect,
            browser=_digest(browser), until=self._now() + UNDER_WAY_S,
        )  # fmt: skip
        with self._lock:
            while len(self._ways) >= UNDER_WAY:
                self._ways.popitem(last=False)
            self._ways[state] = way
        challenge = hashlib.sha256(way.verifier.encode()).digest()
        asked = {
            "response_type": "code", "client_id": self.provider.client, "redirect_uri": redirect,
            "scope": self.provider.scope, "state": state, "nonce": way.nonce,
            "code_challenge": _plain(challenge), "code_challenge_method": "S256",
        }  # fmt: skip
        where = str(about["authorization_endpoint"])
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}", browser

    def finish(self, asked: Mapping[str, str], browser: str) -> Identity:
        """Who came back. Raises Denied with the reason, Unreachable when nobody could be asked."""
        with self._lock:
            way = self._ways.pop(asked.get("state", ""), None)
        if way is None or way.until < self._now():
            raise NotProved("this sign-in was not begun here, or too long ago: begin again", "late")
        if not hmac.compare_digest(way.browser, _digest(browser)):
            why = "this sign-in was begun in another browser: begin again"
            raise NotProved(why, "browser")
        if asked.get("iss", self.provider.issuer) != self.provider.issuer:  # RFC 9207
            raise untrusted("the answer comes from another provider than was asked")
        if "error" in asked:
            why = f"{self.provider.title} refused: {asked['error'][:200]}"
            raise NotProved(why, "refused")
        if not asked.get("code"):
            raise untrusted(f"{self.provider.title} sent no code")
        return self._identity(self._exchanged(asked["code"], way), way)

    def _exchanged(self, code: str, way: _UnderWay) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": way.redirect,
            "code_verifier": way.verifier,
        }  # fmt: skip
        headers: dict[str, str] = {}
        if self.provider.secret:
            pair = f"{quote(self.provider.client, '')}:{quote(self.provider.secret, '')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = self.provider.client
        return self._fetch(str(self._discovered()["token_endpoint"]), form, headers)

    def _identity(self, tokens: Mapping[str, Any], way: _UnderWay) -> Identity:
        claims = self._read(str(tokens.get("id_token", "")))
        now, audience = self._now(), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self.provider.issuer:
            raise untrusted("the token was made by another issuer")
        if self.provider.client not in audiences:
            raise untrusted("the token is meant for another program")
        if len(audiences) > 1 and claims.get("azp") != self.provider.client:
            raise untrusted("the token was given to another program")
        if not _number(claims.get("exp")) or claims["exp"] + LEEWAY_S < now:
            raise untrusted("the token has expired; are the clocks right?")
        if not _number(claims.get("iat")) or claims["iat"] - LEEWAY_S > now:
            raise untrusted("the token is from the future; are the clocks right?")
        if not hmac.compare_digest(str(claims.get("nonce", "")), way.nonce):
            raise untrusted("the token belongs to another sign-in")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise untrusted("the token names nobody")
        groups = claims.get(self.provider.roles_claim, [])
        held = groups if isinstance(groups, list) else [groups]
        return Identity(
            provider=self.provider.name,
            issuer=self.provider.issuer,
            subject=claims["sub"],
            name=str(claims.get(self.provider.name_claim) or claims["sub"])[:200],
            roles=frozenset(role for group, role in self.provider.roles.items() if group in held),
            title=str(claims.get("name") or "")[:80],
        )

    def _read(self, token: str) -> dict[str, Any]:
        """Its claims, with a signature of the provider's; keys may have changed since they were read."""
        for again in (False, True):
            try:
                found = jwt.decode(token, self._keyset(again), algorithms=SIGNED)
                return dict(found.claims)
            except (JoseError, ValueError) as error:
                why = str(error)
        raise untrusted(f"the token of {self.provider.title} cannot be trusted: {why}")

    def _keyset(self, again: bool) -> KeySet:
        if self._keys is None or again:
            told = self._fetch(str(self._discovered()["jwks_uri"]), None, {})
            try:
                self._keys = KeySet.import_key_set(told)  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise untrusted(
                    f"{self.provider.title} publishes no usable keys: {error}"
                ) from None
        return self._keys

    def _discovered(self) -> Mapping[str, Any]:
        now = self._now()
        if self._about and now - self._known < KNOWN_S:
            return self._about
        if not self._asking.acquire(timeout=AWAY_S):  # few wait for a provider that does not answer
            raise Unreachable(f"{self.provider.issuer} does not answer")
        try:
            return self._discovery(now)
        finally:
            self._asking.release()

    def _discovery(self, now: int) -> Mapping[str, Any]:
        """Asked once by all who wait; when it fails, not again for a few seconds."""
        if self._about and now - self._known < KNOWN_S:
            return self._about
        if now < self._away_until:
            raise Unreachable(self._away)
        where = f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            about = self._fetch(where, None, {})
        except (Unreachable, Refused) as error:
            self._away_until, self._away = now + AWAY_S, str(error)
            raise
        if about.get("issuer") != self.provider.issuer:  # Discovery 4.3
            raise untrusted(f"{where} speaks for {about.get('issuer')!r}, not for the issuer asked")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            safe(str(about.get(name, "")))
        self._about, self._known, self._keys = about, now, None
        return about

    def _now(self) -> int:
        return self._clock.now() // SECOND


def fetched(
    address: str, form: Mapping[str, str] | None, headers: Mapping[str, str], ca_file: str = ""
) -> Mapping[str, Any]:
    """Implements `Fetch`: TLS verified, no redirect followed, at most a megabyte. ca_file: whose
    certificates are believed; empty: those of the system."""
    body = urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(address, body, {"accept": "application/json", **headers})
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), _NoRedirect
        )
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            raw = answer.read(LONGEST + 1)
    except urllib.error.HTTPError as error:
        said = error.read(500).decode("utf-8", "replace")
        raise Refused(f"{address} answered {error.code}: {said}", error.code) from None
    except (OSError, ValueError) as error:
        raise Unreachable(f"{address} does not answer: {error}") from None
    try:
        told = json.loads(raw) if len(raw) <= LONGEST else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Refused(f"{address} did not answer with a JSON object")
    return told


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def untrusted(why: str) -> NotProved:
    return NotProved(why, "untrusted")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _plain(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
