"""Whom we believe of another provider: only who comes back from it, to the browser that went."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from baotu.sdk import Denied, Unreachable
from baotu.sdk.testing.clock import JumpingClock
from baotu.trust.oidc.outside import AWAY_S, UNDER_WAY_S, OutsideProvider, RelyingParty, fetched

ISSUER = "https://login.firm.example"
BACK = "https://baotu.example/sign-in/firm"
KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})


class Firm:
    """Implements `Fetch`: a provider that answers as it is told to."""

    def __init__(self) -> None:
        self.clock = JumpingClock(1_780_300_800 * 10**9)
        self.claims: dict[str, Any] = {}
        self.key: Any = KEY
        self.published = [KEY]
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "k1"}
        self.about = {"issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/auth",
                      "token_endpoint": f"{ISSUER}/token", "jwks_uri": f"{ISSUER}/keys"}  # fmt: skip
        self.forms: list[Mapping[str, str]] = []
        self.sign: Callable[[dict[str, Any]], str] | None = None

    def __call__(
        self, address: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        if address.endswith("openid-configuration"):
            return self.about
        if address == f"{ISSUER}/keys":
            return KeySet(self.published).as_dict(private=False)
        assert address == f"{ISSUER}/token" and form is not None
        self.forms.append(dict(form) | dict(headers))
        sign = self.sign or (lambda claims: jwt.encode(self.header, claims, self.key))
        return {"id_token": sign(self.claims)}

    def party(self, **more: Any) -> RelyingParty:
        about = {
            "name": "firm",
            "title": "Firm",
            "issuer": ISSUER,
            "client": "baotu",
            "secret": "s",
        }
        return RelyingParty(OutsideProvider(**about | more), self.clock, self)

    def go(self, party: RelyingParty, **change: Any) -> tuple[dict[str, str], str]:
        """Off and back again: what the browser brings, and its cookie."""
        where, browser = party.begin(BACK)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
        now = self.clock.now() // 10**9
        self.claims = {"iss": ISSUER, "aud": "baotu", "sub": "u1", "iat": now, "exp": now + 300,
                       "nonce": asked["nonce"], "preferred_username": "li",
                       "groups": ["press"]} | change  # fmt: skip
        self.claims = {name: value for name, value in self.claims.items() if value is not None}
        self.asked = asked
        return {"code": "c", "state": asked["state"], "iss": ISSUER}, browser


def test_who_comes_back_is_known_with_the_roles_of_the_groups() -> None:
    firm = Firm()
    party = firm.party(roles={"press": "operator", "chiefs": "engineer"})
    back, browser = firm.go(party)
    who = party.finish(back, browser)
    assert (who.subject, who.name, who.roles) == ("u1", "li", {"operator"})
    sent = firm.forms[0]
    assert sent["code"] == "c" and sent["redirect_uri"] == BACK and len(sent["code_verifier"]) >= 43
    assert base64.b64decode(sent["authorization"].split()[1]) == b"baotu:s"
    assert firm.asked["code_challenge_method"] == "S256" and "secret" not in firm.asked


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "other"}, "another program"),
        ({"aud": None}, "another program"),
        ({"aud": ["baotu", "other"]}, "another program"),
        ({"exp": 1}, "expired"), ({"exp": None}, "expired"), ({"exp": True}, "expired"),
        ({"iat": 9_999_999_999}, "future"), ({"iat": None}, "future"),
        ({"nonce": "other"}, "another sign-in"), ({"nonce": None}, "another sign-in"),
        ({"sub": None}, "nobody"), ({"sub": 7}, "nobody"), ({"sub": ""}, "nobody"),
    ],
)  # fmt: skip
def test_a_token_with_a_wrong_claim_proves_nobody(change: dict[str, Any], why: str) -> None:
    firm = Firm()
    party = firm.party()
    back, browser = firm.go(party, **change)
    with pytest.raises(Denied, match=why):
        party.finish(back, browser)


def plain(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any]) -> str:
    return f"{plain({'alg': 'none'})}.{plain(claims)}."


def by_another(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "k1"}, claims, OTHER)


def by_the_public_key_as_a_secret(claims: dict[str, Any]) -> str:
    signed = f"{plain({'alg': 'HS256', 'kid': 'k1'})}.{plain(claims)}"
    mac = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def changed(claims: dict[str, Any]) -> str:
    head, _, signature = jwt.encode({"alg": "ES256", "kid": "k1"}, claims, KEY).split(".")
    return f"{head}.{plain(claims | {'sub': 'boss'})}.{signature}"


@pytest.mark.parametrize(
    "sign", [unsigned, by_another, by_the_public_key_as_a_secret, changed, lambda _: "nonsense"]
)
def test_a_token_that_the_provider_did_not_sign_proves_nobody(
    sign: Callable[[dict[str, Any]], str],
) -> None:
    firm = Firm()
    party = firm.party()
    back, browser = firm.go(party)
    firm.sign = sign
    with pytest.raises(Denied, match="cannot be trusted"):
        party.finish(back, browser)


def test_a_new_key_of_the_provider_is_looked_up_once() -> None:
    firm = Firm()
    party = firm.party()
    party.finish(*firm.go(party))
    fresh = ECKey.generate_key("P-256", {"kid": "k2", "alg": "ES256", "use": "sig"})
    firm.key, firm.header, firm.published = fresh, {"alg": "ES256", "kid": "k2"}, [fresh]
    assert party.finish(*firm.go(party)).subject == "u1"


def test_an_answer_is_good_once_in_time_and_for_its_browser() -> None:
    firm = Firm()
    party = firm.party()
    back, browser = firm.go(party)
    with pytest.raises(Denied, match="another browser"):
        party.finish(back, "")
    with pytest.raises(Denied, match="not begun here"):
        party.finish(back, browser)  # a wrong try spends it
    back, browser = firm.go(party)
    firm.clock.jump_wall(UNDER_WAY_S + 1)
    with pytest.raises(Denied, match="too long ago"):
        party.finish(back, browser)
    back, browser = firm.go(party)
    with pytest.raises(Denied, match="another provider"):
        party.finish(back | {"iss": "https://evil.example"}, browser)
    back, browser = firm.go(party)
    with pytest.raises(Denied, match="access_denied"):
        party.finish({"state": back["state"], "error": "access_denied"}, browser)
    assert firm.forms == []


def test_a_provider_must_be_who_it_says_and_speak_https() -> None:
    firm = Firm()
    with pytest.raises(Denied, match="not https"):
        firm.party(issuer="http://login.firm.example")
    firm.about = firm.about | {"issuer": "https://evil.example"}
    with pytest.raises(Denied, match="speaks for"):
        firm.party().begin(BACK)
    firm = Firm()
    firm.about = firm.about | {"token_endpoint": "http://login.firm.example/token"}
    with pytest.raises(Denied, match="not https"):
        firm.party().begin(BACK)


def test_what_is_under_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baotu.trust.oidc.outside.UNDER_WAY", 3)
    firm = Firm()
    party = firm.party()
    first, browser = firm.go(party)
    for _ in range(3):
        party.begin(BACK)
    with pytest.raises(Denied, match="not begun here"):
        party.finish(first, browser)


def test_nobody_there_is_said() -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        fetched("http://[::1]:1/x", None, {})


def test_a_provider_that_is_away_is_left_alone_for_a_few_seconds() -> None:
    firm, asked = Firm(), list[str]()

    def away(address: str, form: object, headers: object) -> Mapping[str, Any]:
        asked.append(address)
        raise Unreachable(f"{address} does not answer")

    about = OutsideProvider(name="firm", title="Firm", issuer=ISSUER, client="baotu")
    party = RelyingParty(about, firm.clock, away)
    for _ in range(3):
        with pytest.raises(Unreachable):
            party.begin(BACK)
    assert len(asked) == 1
    firm.clock.jump_wall(AWAY_S + 1)
    with pytest.raises(Unreachable):
        party.begin(BACK)
    assert len(asked) == 2


def test_a_state_of_ones_own_and_a_cookie_that_is_there_are_kept() -> None:
    firm = Firm()
    party = firm.party()
    where, browser = party.begin(BACK, "a" * 32, "b" * 43)
    assert browser == "b" * 43 and parse_qs(urlsplit(where).query)["state"] == ["a" * 32]
    assert party.begin(BACK, "", "short")[1] != "short"
