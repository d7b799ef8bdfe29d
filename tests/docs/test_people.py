"""The configurations on the page about people load, and Grafana is told what the provider offers."""

from configparser import RawConfigParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from baotu.house.file import load
from baotu.trust.oidc.clients import Oidc
from tests.trust.oidc.test_provider import Site

from .guide import blocks

PAGE = "docs/operate/people.md"


def test_the_configurations_load(tmp_path: Path) -> None:
    shown = [b.text for b in blocks(PAGE) if b.language == "toml"]
    assert len(shown) == 2
    (tmp_path / "node.toml").write_text("\n".join(shown), encoding="utf-8")
    config = load(tmp_path / "node.toml")
    [firm] = config.identity_providers
    assert config.basics.console.address == "https://plant.example"
    assert firm.name == "firm" and firm.roles["night-shift"] == "operator"
    assert config.warnings == ()
    callback = f"{config.basics.console.address}/sign-in/back/{firm.name}"
    assert callback in (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")


def test_grafana_is_told_what_the_provider_offers(tmp_path: Path) -> None:
    [text] = [b.text for b in blocks(PAGE) if b.language == "ini"]
    ini = RawConfigParser()
    ini.read_string(text)
    grafana = dict(ini["auth.generic_oauth"])
    site = Site(tmp_path)
    told = site.provider.discovery("https://plant.example").body
    assert grafana["auth_url"] == told["authorization_endpoint"]
    assert grafana["token_url"] == told["token_endpoint"]
    assert grafana["api_url"] == told["userinfo_endpoint"]
    scopes, claims = told["scopes_supported"], told["claims_supported"]
    assert isinstance(scopes, list) and isinstance(claims, list)
    assert set(grafana["scopes"].split()) <= set(scopes)
    for kind in ("login", "name", "email"):
        assert grafana[f"{kind}_attribute_path"] in claims
    assert "roles" in claims and "roles[*]" in grafana["role_attribute_path"]
    assert grafana["use_pkce"] == "true" and told["code_challenge_methods_supported"] == ["S256"]
    leave = urlsplit(grafana["signout_redirect_url"])
    assert f"https://{leave.netloc}{leave.path}" == told["end_session_endpoint"]
    asked = {name: values[0] for name, values in parse_qs(leave.query).items()}
    page = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")
    assert f"`{asked['post_logout_redirect_uri']}`" in page and "register" in vars(Oidc)
    assert f"`{grafana['client_id']}`" in page and asked["client_id"] == grafana["client_id"]
    site.bench.do(
        "register", client="grafana-2", title="G", redirects="https://grafana.example/login/generic_oauth",
        leaves=asked["post_logout_redirect_uri"],
    )  # fmt: skip
    answer = site.provider.leave("https://plant.example", asked | {"client_id": "grafana-2"}, None)
    assert answer.location == asked["post_logout_redirect_uri"]
