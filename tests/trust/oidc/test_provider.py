"""Our provider: what a program gets, and everything that it does not get."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from baotu.bench import Bench
from baotu.sdk import Caller, Conflict, Invalid
from baotu.sdk.oidc import Answer
from baotu.trust.oidc.clients import Oidc
from baotu.trust.oidc.keys import TURN_S, Keys
from baotu.trust.oidc.provider import CODE_S, REFRESH_S, TOKEN_S, OpenIdProvider
from tests.trust.oidc.fakes import WANG, People

BASE = "https://baotu.example"
BACK = "https://grafana.example/login/generic_oauth"
VERIFIER = "v" * 50
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
SECOND = 10**9


@cache
def kept_keys() -> str:
    """A file of keys as the provider made it, once for all tests: making RSA keys takes long."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "keys.json"
        Keys(file, Bench(Oidc()).clock).public()
        return file.read_text()


class Site:
    """shared: with keys that other tests have, too."""

    def __init__(
        self, folder: Path, confidential: bool = True, algorithm: str = "RS256", shared: bool = True
    ) -> None:
        self.bench = Bench(Oidc())
        self.people = People(self.bench)
        file = folder / "oidc" / "keys.json"
        if shared:
            file.parent.mkdir(parents=True)
            file.write_text(kept_keys())
        self.keys = Keys(file, self.bench.clock)
        self.provider = OpenIdProvider(self.bench.chain, self.people, self.keys, "spring")
        made = self.bench.do(
            "register", client="grafana", title="Grafana", redirects=BACK,
            leaves="https://grafana.example/bye", confidential=confidential, algorithm=algorithm,
        )  # fmt: skip
        self.secret: str = made.secret

    def asked(self, **change: str) -> dict[str, str]:
        asked = {
            "response_type": "code", "client_id": "grafana", "redirect_uri": BACK, "state": "s1",
            "scope": "openid profile offline_access", "nonce": "n1",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }  # fmt: skip
        return {name: value for name, value in (asked | change).items() if value != "-"}

    def authorize(self, caller: Caller | None = WANG, **change: str) -> Answer:
        return self.provider.authorize(BASE, self.asked(**change), caller)

    def code(self, **change: str) -> str:
        return query(self.authorize(**change))["code"]

    def token(self, secret: str | None = None, **form: str) -> Answer:
        pair = f"grafana:{self.secret if secret is None else secret}"
        proof = "Basic " + base64.b64encode(pair.encode()).decode()
        return self.provider.token(BASE, form, proof)

    def exchange(self, code: str, **change: str) -> Answer:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
                "code_verifier": VERIFIER} | change  # fmt: skip
        return self.token(**form)

    def refresh(self, token: object, secret: str | None = None) -> Answer:
        return self.token(secret, grant_type="refresh_token", refresh_token=str(token))

    def later(self, seconds: float) -> None:
        self.bench.clock.time += int(seconds * SECOND)

    def user(self, token: object) -> Answer:
        return self.provider.userinfo(BASE, f"Bearer {token}")

    def audit(self) -> list[tuple[str, str, str]]:
        return self.bench.store.ask("SELECT verb, outcome, reason FROM ledger_audit_record")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def query(answer: Answer) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.location).query).items()}


def test_a_program_learns_who_signed_in(site: Site) -> None:
    back = site.authorize()
    assert back.status == 303 and back.location.startswith(f"{BACK}?code=")
    assert query(back)["state"] == "s1" and query(back)["iss"] == BASE
    tokens = site.exchange(query(back)["code"]).body
    keys = KeySet.import_key_set(json.loads(json.dumps(site.provider.keys().body)))
    claims = jwt.decode(str(tokens["id_token"]), keys, algorithms=["RS256"]).claims
    assert claims["iss"] == BASE and claims["aud"] == "grafana" and claims["nonce"] == "n1"
    assert claims["sub"] == "id-of-wang" and claims["roles"] == ["operator", "viewer"]
    assert claims["preferred_username"] == "wang" and claims["name"] == "王工"
    assert claims["exp"] - claims["iat"] == TOKEN_S and claims["auth_time"] == claims["iat"] - 5
    left = hashlib.sha256(str(tokens["access_token"]).encode()).digest()[:16]
    assert base64.urlsafe_b64decode(claims["at_hash"] + "==") == left
    assert site.user(tokens["access_token"]).body == {
        "sub": "id-of-wang", "preferred_username": "wang", "name": "王工",
        "organisation": "spring", "roles": ["operator", "viewer"],
    }  # fmt: skip
    assert all(key.keys().isdisjoint("dpq") for key in site.provider.keys().body["keys"])  # type: ignore[attr-defined]


def test_who_has_not_signed_in_is_asked_to_and_machines_never_are(site: Site) -> None:
    assert site.authorize(None).sign_in
    token = Caller("wang", "spring", frozenset(), kind="token")
    assert site.authorize(token).sign_in
    assert query(site.authorize(None, prompt="none"))["error"] == "login_required"
    site.people.since = site.bench.clock.now() // SECOND - 300
    assert site.authorize(prompt="login").sign_in and site.authorize(max_age="200").sign_in
    assert not site.authorize(max_age="400").sign_in
    assert query(site.authorize(max_age="soon"))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "other"}, {"client_id": "-"}, {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": f"{BACK}?x=1"}, {"redirect_uri": "https://evil.example"},
        {"redirect_uri": "-"}, {"redirect_uri": BACK.upper()},
    ],
)  # fmt: skip
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    site: Site, change: dict[str, str]
) -> None:
    answer = site.authorize(**change)
    assert answer.status == 400 and answer.wrong and not answer.location


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "-"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": "-"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
    ],
)
def test_a_request_that_is_wrong_goes_back_with_the_reason(
    site: Site, change: dict[str, str], error: str
) -> None:
    back = query(site.authorize(**change))
    assert back["error"] == error and back["state"] == "s1" and "code" not in back


def test_a_code_is_good_once_and_its_second_use_ends_what_it_gave(site: Site) -> None:
    code = site.code()
    first = site.exchange(code)
    again = site.exchange(code)
    assert first.status == 200 and again.status == 400 and again.body["error"] == "invalid_grant"
    assert site.refresh(first.body["refresh_token"]).body["error"] == "invalid_grant"
    assert ("oidc.token", "refused") in [row[:2] for row in site.audit()]


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "w" * 50}, {"code_verifier": ""}, {"redirect_uri": "https://evil.example"},
        {"redirect_uri": ""},
    ],
)  # fmt: skip
def test_a_stolen_code_is_worth_nothing_and_is_spent(site: Site, change: dict[str, str]) -> None:
    code = site.code()
    assert site.exchange(code, **change).body["error"] == "invalid_grant"
    assert site.exchange(code).body["error"] == "invalid_grant"


def test_a_code_ends_with_its_minute(site: Site) -> None:
    code = site.code()
    site.later(CODE_S + 1)
    assert site.exchange(code).body["error"] == "invalid_grant"


def test_only_the_program_with_the_secret_is_answered(site: Site) -> None:
    site.bench.do("register", client="other", title="O", redirects=BACK)
    code = site.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK,
            "code_verifier": VERIFIER}  # fmt: skip
    for proof in ("", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"grafana:no").decode(),
                  "Basic " + base64.b64encode(b"grafana").decode(), "Bearer x"):  # fmt: skip
        answer = site.provider.token(BASE, form | {"client_id": "grafana"}, proof)
        assert answer.status == 401 and answer.body["error"] == "invalid_client", proof
        assert "www-authenticate" in answer.headers
    assert site.exchange(code).status == 200


def test_a_code_of_one_program_is_not_good_for_another(site: Site) -> None:
    other = site.bench.do("register", client="other", title="O", redirects=BACK)
    pair = base64.b64encode(f"other:{other.secret}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": site.code(), "redirect_uri": BACK,
            "code_verifier": VERIFIER}  # fmt: skip
    answer = site.provider.token(BASE, form, f"Basic {pair}")
    assert answer.body["error"] == "invalid_grant"


def test_a_public_program_needs_no_secret_but_its_proof(tmp_path: Path) -> None:
    site = Site(tmp_path, confidential=False, algorithm="ES256")
    assert site.secret == ""
    form = {"grant_type": "authorization_code", "code": site.code(), "redirect_uri": BACK,
            "code_verifier": VERIFIER, "client_id": "grafana"}  # fmt: skip
    tokens = site.provider.token(BASE, form, "")
    assert tokens.status == 200
    keys = KeySet.import_key_set(json.loads(json.dumps(site.provider.keys().body)))
    assert (
        jwt.decode(str(tokens.body["id_token"]), keys, algorithms=["ES256"]).header["alg"]
        == "ES256"
    )
    assert site.provider.token(BASE, form | {"client_secret": "guess"}, "").status == 401


def test_a_refresh_token_turns_and_an_old_one_ends_its_family(site: Site) -> None:
    first = site.exchange(site.code()).body
    second = site.refresh(first["refresh_token"]).body
    assert second["refresh_token"] != first["refresh_token"]
    assert site.refresh(first["refresh_token"]).body["error"] == "invalid_grant"  # stolen
    assert site.refresh(second["refresh_token"]).body["error"] == "invalid_grant"
    third = site.exchange(site.code()).body
    site.later(REFRESH_S + 1)
    assert site.refresh(third["refresh_token"]).body["error"] == "invalid_grant"
    assert "refresh_token" not in site.exchange(site.code(scope="openid")).body


def test_who_is_disabled_gets_nothing_any_more(site: Site) -> None:
    code, tokens = site.code(), site.exchange(site.code()).body
    site.people.disabled.add("id-of-wang")
    assert site.exchange(code).body["error"] == "invalid_grant"
    assert site.refresh(tokens["refresh_token"]).body["error"] == "invalid_grant"
    assert site.user(tokens["access_token"]).status == 401


def test_an_access_token_is_for_its_time_and_purpose_only(site: Site) -> None:
    tokens = site.exchange(site.code()).body
    assert site.user(tokens["access_token"]).status == 200
    for other in (tokens["id_token"], tokens["refresh_token"], "", "a.b.c"):
        assert site.user(other).status == 401
    assert (
        site.provider.userinfo("https://other.example", f"Bearer {tokens['access_token']}").status
        == 401
    )
    site.later(TOKEN_S + 1)
    assert site.user(tokens["access_token"]).status == 401


def test_a_disabled_program_and_a_revoked_token_are_over(site: Site) -> None:
    tokens = site.exchange(site.code()).body
    pair = base64.b64encode(f"grafana:{site.secret}".encode()).decode()
    token = {"token": str(tokens["refresh_token"])}
    assert site.provider.revoke(token, "Basic " + base64.b64encode(b"x:y").decode()).status == 401
    assert site.refresh(tokens["refresh_token"]).status == 200
    tokens = site.exchange(site.code()).body
    token = {"token": str(tokens["refresh_token"])}
    assert site.provider.revoke(token, f"Basic {pair}").status == 200
    assert site.refresh(tokens["refresh_token"]).body["error"] == "invalid_grant"
    tokens = site.exchange(site.code()).body
    site.bench.do("disable", client="grafana")
    assert site.refresh(tokens["refresh_token"]).status == 401
    assert site.authorize().status == 400


def test_signing_out_ends_the_session_here_too(site: Site) -> None:
    tokens = site.exchange(site.code()).body
    asked = {"id_token_hint": str(tokens["id_token"]), "state": "s2",
             "post_logout_redirect_uri": "https://grafana.example/bye"}  # fmt: skip
    answer = site.provider.leave(BASE, asked, WANG)
    assert answer.location == "https://grafana.example/bye?state=s2"
    assert site.people.ended == [("id-of-wang", "session-1")]
    assert site.refresh(tokens["refresh_token"]).body["error"] == "invalid_grant"
    elsewhere = asked | {"post_logout_redirect_uri": "https://evil.example"}
    assert site.provider.leave(BASE, elsewhere, WANG).wrong
    assert site.provider.leave(BASE, {"id_token_hint": "x"}, WANG).wrong
    assert (
        site.provider.leave(BASE, {}, WANG).body["confirm"] is True
    )  # no hint: the person is asked


def test_a_secret_renewed_is_the_only_one_and_none_rests_in_the_clear(site: Site) -> None:
    old = site.secret
    code = site.code()
    site.secret = site.bench.do("renew", client="grafana").secret
    assert site.token(old, grant_type="refresh_token", refresh_token="x").status == 401
    tokens = site.exchange(code).body
    kept = repr(site.bench.store.dump())
    for secret in (old, site.secret, code, str(tokens["refresh_token"]), VERIFIER):
        assert secret not in kept


@pytest.mark.parametrize(
    "address",
    ["http://grafana.example/x", "https://*.example/x", "https://a.example/#x", "grafana", "", "javascript:alert(1)"],
)  # fmt: skip
def test_an_address_that_could_leak_a_code_is_not_registered(site: Site, address: str) -> None:
    with pytest.raises(Invalid):
        site.bench.do("register", client="bad", title="", redirects=address)
    with pytest.raises(Conflict):
        site.bench.do("register", client="grafana", title="", redirects=BACK)


def test_keys_turn_and_what_the_old_one_signed_is_still_read(tmp_path: Path) -> None:
    site = Site(tmp_path, shared=False)
    before = site.keys.sign({"x": 1}, "ES256")
    names = {key["kid"] for key in site.keys.public()["keys"]}
    site.later(TURN_S + 1)
    after = {key["kid"] for key in site.keys.public()["keys"]}
    assert names < after and len(after) == 4 and site.keys.read(before) == {"x": 1}
    site.later(TURN_S + 1)
    assert names.isdisjoint({key["kid"] for key in site.keys.public()["keys"]})
    file = tmp_path / "oidc" / "keys.json"
    assert file.stat().st_mode & 0o077 == 0
    again = Keys(file, site.bench.clock)
    assert again.public() == site.keys.public()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("oidc"))


NAMES = (
    "response_type", "client_id", "redirect_uri", "state", "scope", "nonce", "code_challenge",
    "prompt", "max_age", "grant_type", "code", "code_verifier", "refresh_token", "id_token_hint",
    "post_logout_redirect_uri", "token",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    asked=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=60)),
    proof=st.text(max_size=80),
)
def test_nonsense_is_refused_and_never_an_accident(
    lasting: Site, asked: dict[str, str], proof: str
) -> None:
    provider = lasting.provider
    filled = {"client_id": "grafana", "redirect_uri": BACK} | asked
    for answer in (
        provider.authorize(BASE, filled, None),
        provider.token(BASE, filled, proof),
        provider.token(BASE, filled, f"Basic {proof}"),
        provider.userinfo(BASE, proof),
        provider.userinfo(BASE, f"Bearer {proof}"),
        provider.revoke(filled, proof),
        provider.leave(BASE, asked, None),
    ):
        assert answer.status in (200, 303, 400, 401)
        assert "access_token" not in answer.body


def test_a_secret_is_told_once_even_to_who_asks_with_the_same_key(site: Site) -> None:
    asked = {"client": "once", "title": "O", "redirects": BACK}
    made = site.bench.do("register", _key="k1", **asked)
    with pytest.raises(Conflict, match="told once"):
        site.bench.do("register", _key="k1", **asked)
    assert made.secret and made.secret not in repr(site.bench.store.dump())


def test_who_leaves_without_a_proof_is_asked_and_then_led_only_where_it_is_registered(
    site: Site,
) -> None:
    asked = {
        "client_id": "grafana", "post_logout_redirect_uri": "https://grafana.example/bye",
        "state": "s", "evil": "x",
    }  # fmt: skip
    answer = site.provider.leave(BASE, asked, WANG)
    assert answer.body["confirm"] and not answer.location
    again = answer.body["again"]
    assert again == {name: asked[name] for name in again} and "evil" not in again  # type: ignore[attr-defined]
    there = site.provider.leave(BASE, again, None)  # type: ignore[arg-type]
    assert there.location == "https://grafana.example/bye?state=s"


def test_tokens_are_worth_nothing_once_the_session_they_came_from_is_over(site: Site) -> None:
    tokens = site.exchange(site.code()).body
    waiting = site.code()
    assert site.user(tokens["access_token"]).status == 200
    site.people.ended.append(("id-of-wang", WANG.via))
    assert site.user(tokens["access_token"]).status == 401
    assert site.refresh(tokens["refresh_token"]).body["error"] == "invalid_grant"
    assert site.exchange(waiting).body["error"] == "invalid_grant"


def test_what_is_over_is_not_kept_for_ever(site: Site) -> None:
    site.code()
    site.exchange(site.code())
    site.later(REFRESH_S + 2 * 86_400)
    site.code()
    assert len(site.bench.store.ask("SELECT id FROM oidc_oidc_code")) == 1
    assert site.bench.store.ask("SELECT id FROM oidc_oidc_refresh") == []
