"""OpenID provider: authorization code with PKCE, refresh tokens that rotate, sign-out.

Requests and answers are values; see `sdk.oidc`. Never speaks HTTP, never asks for a password: who
asks has signed in at the console, or is sent there. Sources: OpenID Connect Core 1.0, Discovery 1.0,
RP-Initiated Logout 1.0, RFC 6749, RFC 7009, RFC 7636, RFC 9068, RFC 9207, RFC 9700.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode

from sqlalchemy import delete, select, update

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Caller, Denied, Fact, Records
from baotu.sdk.oidc import Answer, Holders

from .clients import digest
from .keys import ALGORITHMS, Keys
from .tables import OidcClient, OidcCode, OidcRefresh

SECOND = 10**9
FRESH_S = 60  # after prompt=login
CODE_S, TOKEN_S, REFRESH_S = 60, 600, 30 * 86_400
KEPT_S = 86_400  # so long a code that is over is still known when it comes again
SCOPES = ("openid", "profile", "roles", "offline_access")
ACCESS = "at+jwt"  # RFC 9068
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
APP = "oidc"


class Wrong(Exception):
    """An OAuth error code and what is wrong, for the program that asked."""

    def __init__(self, code: str, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.code, self.why, self.status = code, why, status


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a code or a refresh token stands for."""

    client: str
    subject: str
    via: str
    scope: str
    signed_in: int
    family: str
    nonce: str = ""


class OpenIdProvider:
    """Implements `sdk.oidc.Provider`. Safe to call from any thread.

    organisation: whose hub this is; all programs are registered there.
    """

    def __init__(self, chain: Chain, holders: Holders, keys: Keys, organisation: str) -> None:
        self._chain, self._holders, self._keys = chain, holders, keys
        self._organisation = organisation

    # -- what anybody may ask -------------------------------------------------------------------
    def discovery(self, base: str) -> Answer:
        at = f"{base}/oidc"
        return Answer(body={
            "issuer": base,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "userinfo_endpoint": f"{at}/userinfo",
            "jwks_uri": f"{at}/jwks",
            "revocation_endpoint": f"{at}/revoke",
            "end_session_endpoint": f"{at}/logout",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic", "client_secret_post", "none",
            ],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": [
                "sub", "name", "preferred_username", "organisation", "roles", "auth_time",
            ],
            "authorization_response_iss_parameter_supported": True,
            "ui_locales_supported": ["zh-CN", "en"],
        })  # fmt: skip

    def keys(self) -> Answer:
        return Answer(body=self._keys.public(), headers={"cache-control": "public, max-age=300"})

    # -- the person -----------------------------------------------------------------------------
    def authorize(self, base: str, asked: Mapping[str, str], caller: Caller | None) -> Answer:
        client = self._client(asked.get("client_id", ""))
        redirect = asked.get("redirect_uri", "")
        if client is None or client.disabled:
            return Answer(status=400, wrong=f"no program {asked.get('client_id', '')!r} is known")
        if redirect not in client.redirects.split("\n"):
            why = f"{client.client} has not registered the address {redirect!r}"
            return Answer(status=400, wrong=why)
        back = {"state": asked["state"]} if asked.get("state") else {}
        back["iss"] = base  # RFC 9207: the program sees who answers
        try:
            challenge = self._checked(asked)
            now = self._chain.clock.now() // SECOND
            signed_in = self._holders.signed_in(caller) if _person(caller) and caller else 0
            if now - signed_in > _oldest(asked, now):
                if asked.get("prompt") == "none":
                    raise Wrong("login_required", "nobody has signed in, or not lately enough")
                return Answer(status=303, sign_in=True)
            assert caller is not None
        except Wrong as wrong:
            told = {"error": wrong.code, "error_description": wrong.why} | back
            return Answer(status=303, location=_with(redirect, told))
        code = secrets.token_urlsafe(32)
        row = OidcCode(
            digest=digest(code), client=client.client, subject=self._holders.subject(caller),
            via=caller.via, redirect=redirect, challenge=challenge, nonce=asked.get("nonce", ""),
            scope=_scope(asked), signed_in=signed_in, expires=now + CODE_S,
            family=secrets.token_hex(16),
        )  # fmt: skip

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            for kind in (OidcCode, OidcRefresh):
                records.execute(delete(kind).where(kind.expires < now - KEPT_S))
            records.put(row)
            return None, ()

        self._do("authorize", caller, body)
        return Answer(status=303, location=_with(redirect, {"code": code} | back))

    def _checked(self, asked: Mapping[str, str]) -> str:
        """The code challenge of a request that is as it should be. Raises Wrong."""
        if asked.get("response_type") != "code":
            raise Wrong("unsupported_response_type", "only the authorization code flow is offered")
        if "openid" not in asked.get("scope", "").split():
            raise Wrong("invalid_scope", "the scope lacks openid")
        challenge, method = asked.get("code_challenge", ""), asked.get("code_challenge_method", "")
        if method != "S256" or not 43 <= len(challenge) <= 128:
            raise Wrong("invalid_request", "PKCE with S256 is needed (RFC 7636)")
        for unknown in ("request", "request_uri"):
            if unknown in asked:
                raise Wrong(f"{unknown}_not_supported", f"{unknown} is not supported")
        return challenge

    # -- the program ----------------------------------------------------------------------------
    def token(self, base: str, form: Mapping[str, str], authorization: str) -> Answer:
        try:
            client = self._authenticated(form, authorization)
            if form.get("grant_type") == "authorization_code":
                grant = self._spend_code(client, form)
            elif form.get("grant_type") == "refresh_token":
                grant = self._spend_refresh(client, form)
            else:
                raise Wrong("unsupported_grant_type", "authorization_code or refresh_token")
            return Answer(body=self._tokens(base, client, grant), headers=NO_STORE)
        except Wrong as wrong:
            return _refusal(wrong)

    def _authenticated(self, form: Mapping[str, str], authorization: str) -> OidcClient:
        """The program, by its secret, or without one when it has none. Raises Wrong."""
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization[:6].lower() == "basic ":
            try:
                plain = base64.b64decode(authorization[6:], validate=True).decode()
            except ValueError:
                raise Wrong(
                    "invalid_client", "the Authorization header is unreadable", 401
                ) from None
            basic, _, secret = plain.partition(":")
            name, secret = unquote(basic), unquote(secret)  # RFC 6749 2.3.1
        client = self._client(name)
        known = client.secret if client is not None else digest("nobody")
        same = hmac.compare_digest(known, digest(secret) if secret else "")
        if client is None or client.disabled or not same:
            raise Wrong("invalid_client", "unknown program, or the wrong secret", 401)
        return client

    def _spend_code(self, client: OidcClient, form: Mapping[str, str]) -> Grant:
        """A code is good once. Coming again it ends what it gave (RFC 6749 4.1.2). Raises Wrong."""
        wanted = digest(form.get("code", ""))
        verifier = form.get("code_verifier", "")
        hashed = hashlib.sha256(verifier.encode()).digest()
        answer = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        now = self._chain.clock.now() // SECOND

        def body(records: Records) -> tuple[str, Sequence[Fact]]:
            row = records.scalar(select(OidcCode).where(OidcCode.digest == wanted))
            if row is None or row.client != client.client:
                return "the code is unknown", ()
            if row.used:
                self._end_family(records, row.family)
                return "the code was used before; its tokens are ended", ()
            row.used = True
            if row.expires < now:
                return "the code has expired", ()
            if row.redirect != form.get("redirect_uri", ""):
                return "redirect_uri is another one than the code was asked with", ()
            if not hmac.compare_digest(row.challenge, answer):
                return "code_verifier does not fit the challenge", ()
            found.append(_grant(row))
            return "", ()

        found: list[Grant] = []
        return self._granted("token", client, found, self._do("token", self._as(client), body))

    def _spend_refresh(self, client: OidcClient, form: Mapping[str, str]) -> Grant:
        wanted, now = digest(form.get("refresh_token", "")), self._chain.clock.now() // SECOND

        def body(records: Records) -> tuple[str, Sequence[Fact]]:
            row = records.scalar(select(OidcRefresh).where(OidcRefresh.digest == wanted))
            if row is None or row.client != client.client or row.expires < now:
                return "the refresh token is unknown or has expired", ()
            if row.used:
                self._end_family(records, row.family)
                return "the refresh token was used before; all of its family are ended", ()
            row.used = True
            found.append(_grant(row))
            return "", ()

        found: list[Grant] = []
        return self._granted("refresh", client, found, self._do("token", self._as(client), body))

    def _granted(self, what: str, client: OidcClient, found: list[Grant], why: str) -> Grant:
        if not found:
            self._chain.note(APP, what, self._as(client), "refused", why)
            raise Wrong("invalid_grant", why)
        return found[0]

    def _tokens(self, base: str, client: OidcClient, grant: Grant) -> dict[str, Any]:
        caller = self._holders.caller(grant.subject, grant.via)
        if caller is None:
            raise Wrong("invalid_grant", "the person has signed out, or the account is disabled")
        now = self._chain.clock.now() // SECOND
        common = {"iss": base, "sub": grant.subject, "iat": now, "exp": now + TOKEN_S}
        access = self._keys.sign(
            common | {"aud": f"{base}/oidc/userinfo", "client_id": client.client,
                      "scope": grant.scope, "jti": secrets.token_hex(16), "via": grant.via},
            client.algorithm, ACCESS,
        )  # fmt: skip
        about = common | {"aud": client.client, "auth_time": grant.signed_in, "sid": grant.family}
        about |= {"nonce": grant.nonce} if grant.nonce else {}
        about |= self._claims(caller, grant.subject, grant.scope)
        about["at_hash"] = _half(access)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN_S,
            "scope": grant.scope,
            "id_token": self._keys.sign(about, client.algorithm),
            **self._refresh(client, grant, now),
        }

    def _refresh(self, client: OidcClient, grant: Grant, now: int) -> dict[str, str]:
        if "offline_access" not in grant.scope.split():
            return {}
        token = secrets.token_urlsafe(32)
        row = OidcRefresh(
            digest=digest(token), family=grant.family, client=client.client,
            subject=grant.subject, via=grant.via, scope=grant.scope, signed_in=grant.signed_in,
            expires=now + REFRESH_S,
        )  # fmt: skip

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            records.put(row)
            return None, ()

        self._do("refresh", self._as(client), body, audited=False)
        return {"refresh_token": token}

    def userinfo(self, base: str, authorization: str) -> Answer:
        kind, _, token = authorization.partition(" ")
        try:
            claims = self._keys.read(token, ACCESS) if kind.lower() == "bearer" else {}
        except Denied:
            claims = {}
        now = self._chain.clock.now() // SECOND
        fits = claims.get("iss") == base and claims.get("aud") == f"{base}/oidc/userinfo"
        caller = (
            self._holders.caller(str(claims.get("sub", "")), str(claims.get("via", "")))
            if fits
            else None
        )
        if caller is None or int(claims.get("exp", 0)) <= now:
            headers = {"www-authenticate": 'Bearer error="invalid_token"'} | NO_STORE
            return Answer(status=401, body={"error": "invalid_token"}, headers=headers)
        subject = str(claims["sub"])
        body = {"sub": subject} | self._claims(caller, subject, str(claims["scope"]))
        return Answer(body=body, headers=NO_STORE)

    def revoke(self, form: Mapping[str, str], authorization: str) -> Answer:
        """RFC 7009: a token of another program, or none, is answered like one that was revoked."""
        try:
            client = self._authenticated(form, authorization)
        except Wrong as wrong:
            return _refusal(wrong)
        wanted = digest(form.get("token", ""))

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            row = records.scalar(select(OidcRefresh).where(OidcRefresh.digest == wanted))
            if row is not None and row.client == client.client:
                self._end_family(records, row.family)
            return None, ()

        self._do("revoke", self._as(client), body)
        return Answer(headers=NO_STORE)

    # -- signing out ----------------------------------------------------------------------------
    def leave(self, base: str, asked: Mapping[str, str], caller: Caller | None) -> Answer:
        """RP-Initiated Logout 1.0. Without a hint that proves whose it is the person is asked."""
        try:
            hint = (
                self._keys.read(asked.get("id_token_hint", "")) if "id_token_hint" in asked else {}
            )
        except Denied as error:
            return Answer(status=400, wrong=str(error))
        client = self._client(str(hint.get("aud", asked.get("client_id", ""))))
        back = asked.get("post_logout_redirect_uri", "")
        if back and (client is None or back not in client.leaves.split("\n")):
            return Answer(
                status=400, wrong=f"the address {back!r} is not registered for signing out"
            )
        if hint and hint.get("iss") == base:
            self._end(str(hint["sub"]), str(hint.get("sid", "")), caller)
        elif caller is not None:
            again = {"state": asked["state"]} if asked.get("state") else {}
            if client is not None and back:
                again |= {"client_id": client.client, "post_logout_redirect_uri": back}
            return Answer(body={"confirm": True, "again": again})
        told = {"state": asked["state"]} if asked.get("state") else {}
        return Answer(status=303, location=_with(back, told) if back else "/")

    def _end(self, subject: str, family: str, caller: Caller | None) -> None:
        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            self._end_family(records, family)
            return None, ()

        who = caller or Caller(subject, self._organisation, frozenset())
        self._do("logout", who, body)
        if caller is not None and self._holders.subject(caller) == subject:
            self._holders.end(subject, caller.via)

    # -- small parts ----------------------------------------------------------------------------
    def _do(self, name: str, caller: Caller, body: Any, audited: bool = True) -> Any:
        who = Caller(caller.name, self._organisation, frozenset(), kind=caller.kind, via=caller.via)
        return self._chain.submit(Deed(app=APP, name=name, caller=who, body=body, audited=audited))

    def _as(self, client: OidcClient) -> Caller:
        return Caller(f"oidc:{client.client}", self._organisation, frozenset(), kind="app")

    def _client(self, name: str) -> OidcClient | None:
        with self._chain.store.reading(self._organisation) as records:
            return records.scalar(select(OidcClient).where(OidcClient.client == name))

    def _end_family(self, records: Records, family: str) -> None:
        records.execute(
            update(OidcRefresh).where(OidcRefresh.family == family).values(used=True, expires=0)
        )

    def _claims(self, caller: Caller, subject: str, scope: str) -> dict[str, object]:
        asked, told = scope.split(), dict[str, object]()
        if "profile" in asked:
            told |= {
                "preferred_username": caller.name,
                "name": self._holders.title(subject) or caller.name,
                "organisation": caller.organisation,
            }
        if "roles" in asked or "profile" in asked:
            told["roles"] = sorted(caller.roles)
        return told


def _person(caller: Caller | None) -> bool:
    return caller is not None and caller.kind == "person"


def _oldest(asked: Mapping[str, str], now: int) -> int:
    """How long ago the person may have signed in, in seconds. Raises Wrong."""
    if "login" in asked.get("prompt", "").split():
        return FRESH_S
    try:
        return int(asked.get("max_age", now - 1))
    except ValueError:
        raise Wrong("invalid_request", "max_age is a number of seconds") from None


def _grant(row: OidcCode | OidcRefresh) -> Grant:
    return Grant(
        client=row.client, subject=row.subject, via=row.via, scope=row.scope,
        signed_in=row.signed_in, family=row.family, nonce=getattr(row, "nonce", ""),
    )  # fmt: skip


def _scope(asked: Mapping[str, str]) -> str:
    return " ".join(word for word in SCOPES if word in asked.get("scope", "").split())


def _half(token: str) -> str:
    """at_hash: the left half of the hash (OpenID Connect Core 3.1.3.6)."""
    left = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(left).rstrip(b"=").decode()


def _with(address: str, told: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(told)}" if told else address


def _refusal(wrong: Wrong) -> Answer:
    headers = dict(NO_STORE)
    if wrong.status == 401:
        headers["www-authenticate"] = 'Basic realm="baotu"'
    body = {"error": wrong.code, "error_description": wrong.why}
    return Answer(status=wrong.status, body=body, headers=headers)
