"""Every route and page as nobody and as each role: allowed exactly as the table says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.routing import Mount
from starlette.testclient import TestClient

from baotu.console.app import build, build_api
from baotu.console.pages.words import PLACES
from baotu.console.rights import PAGES, PUBLIC, ROUTES, Right, Table, page_right, unknown_actions
from baotu.sdk.trust import ACTIONS, ROLES
from tests.console.fake import CONFIG
from tests.console.roles import bearer, permissions_of, roled

ROOMS, SESSIONS = roled()
TAG = ROOMS.plant.all_tags()[3].name
ASSET = ROOMS.plant.all_tags()[3].asset
QUERY: dict[str, Any] = {
    "tag": TAG, "path": ASSET, "q": "pump", "tags": TAG, "since": "2026-01-01T00:00:00Z",
    "until": "2026-01-02T00:00:00Z", "record": 1, "old": 1, "level": "entries", "place": "000",
}  # fmt: skip
BODY: dict[str, Any] = {
    "alarm": 1, "minutes": 5, "reason": "why", "job": 2, "pump": "p", "percent": 50, "tags": TAG,
    "since": "2026-01-01T00:00:00Z", "text": "words", "note": 1, "name": "cavitation", "on": True,
    "request": 1,
}  # fmt: skip
STATE = (
    "/api/notes/remove", "/api/alarms/unshelve", "/api/approvals/approve", "/api/approvals/refuse",
    "/api/audit/tile/{level}/{place}",
)  # fmt: skip
"""What is asked for may not be there, or not in the state for it."""
SPECIAL = {
    ("POST", "/api/config"): {"text": CONFIG},
    ("PUT", "/api/config"): {"text": CONFIG, "reason": "why"},
    ("POST", "/api/write"): {"tag": TAG, "value": 50, "reason": "why"},
}
PAGE_PATHS = [
    *(p.name for p in PLACES), f"asset/{ASSET}", "app/pumping/overview", "no/such/page",
]  # fmt: skip


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything that OpenAPI describes, and OpenAPI itself."""
    schema = build_api(ROOMS).openapi()
    found = [
        (method.upper(), path, about)
        for path, methods in schema["paths"].items()
        for method, about in methods.items()
    ]
    return [*found, ("GET", "/openapi.json", {"operationId": "openapi"})]


OPERATIONS = operations()


@pytest.fixture(scope="module")
def web() -> Iterator[TestClient]:
    with TestClient(build_api(ROOMS), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def site() -> Iterator[TestClient]:
    with TestClient(build(ROOMS), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def ask(web: TestClient, method: str, path: str, about: dict[str, Any], **headers: str):
    """With valid arguments for everything that is required."""
    needed = [p for p in about.get("parameters", ()) if p.get("required")]
    places = {p["name"]: QUERY[p["name"]] for p in needed if p["in"] == "path"}
    asked = {p["name"]: QUERY[p["name"]] for p in needed if p["in"] == "query"}
    template, path = path, path.format(**places)
    if path == "/api/latest":
        asked = {"tag": TAG}
    if path == "/api/export":
        asked = {"tag": TAG, "start": "-10s"}
    body = SPECIAL.get((method, template))
    if body is None and "requestBody" in about:
        content = about["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in content:
            body = {"name": "cavitation", "on": True}
        else:
            body = {n: BODY[n] for n in content.get("required", ())}
    if body is not None:
        return web.request(method, path, params=asked, json=body, headers=headers)
    return web.request(method, path, params=asked, headers=headers)


def action_of(about: dict[str, Any], path: str) -> str:
    """The permission an operation needs, by the table; of an app's verb its own."""
    if (known := ROUTES.get(about["operationId"])) is not None:
        return known.action
    verb = next(v for v in ROOMS.door.verbs() if path == f"/api/{v.app}/{v.name}")
    return verb.permission


def test_every_route_and_page_has_a_line_in_the_table():
    app = build(ROOMS)
    own = [route for route in app.routes if hasattr(route, "path")]
    assert Table([*app.described, *own]).unlisted() == []
    assert {r.name or "pages" for r in app.routes if isinstance(r, Mount)} == {"static", "pages"}
    assert unknown_actions() == []
    assert {p.name for p in PLACES} <= PAGES.keys()


def test_a_route_without_a_line_is_named_and_refused():
    app = build_api(ROOMS)
    app.add_api_route("/api/forgotten", lambda: {"secret": 1}, name="forgotten")
    own = [route for route in app.routes if hasattr(route, "path")]
    assert Table([*app.described, *own]).unlisted() == ["GET /api/forgotten"]
    client = TestClient(app, raise_server_exceptions=False)
    for role in ROLES:
        answer = client.get("/api/forgotten", headers=bearer(role))
        assert answer.status_code in (403, 404) and "secret" not in answer.text


def test_a_page_without_a_line_cannot_be_registered():
    with pytest.raises(KeyError, match="secrets"):
        page_right("/secrets/{path:path}")


@pytest.mark.parametrize(("method", "path", "about"), OPERATIONS, ids=lambda x: str(x)[:60])
def test_nobody_gets_nothing(web: TestClient, method: str, path: str, about: dict[str, Any]):
    answer = ask(web, method, path, about)
    if ROUTES.get(about["operationId"]) is PUBLIC:
        assert answer.json() == {"status": "alive"}
        return
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_exactly_what_the_table_says(web: TestClient, role: str):
    mine = permissions_of(role, ROOMS.door)
    wrong = []
    for method, path, about in OPERATIONS:
        needed = action_of(about, path)
        answer = ask(web, method, path, about, **bearer(role))
        fits = answer.status_code < 500 and answer.status_code not in (401, 403)
        if needed and needed not in mine:
            fits = answer.status_code == 403
        elif path not in STATE:
            fits = fits and answer.status_code in (200, 202)
        if not fits:
            wrong.append((method, path, needed, answer.status_code, answer.text[:200]))
    assert wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nobody_is_led_from_every_page_to_the_sign_in_and_back(site: TestClient, language: str):
    for name in PAGE_PATHS:
        path = f"/{language}/{name}".rstrip("/")
        answer = site.get(path + "?x=1")
        assert answer.status_code == 303, path
        to = urlsplit(answer.headers["location"])
        assert (to.scheme, to.netloc, to.path) == ("", "", f"/{language}/sign-in")
        assert to.query.startswith("next=/") and not to.query.startswith("next=//")
        assert answer.text == ""


def test_the_way_back_stays_on_this_site(site: TestClient):
    for path in ("//evil.example/", "/\\evil.example", "/%2f%2fevil.example"):
        answer = site.get(f"http://testserver{path}")
        if "location" in answer.headers:
            assert "next=//" not in answer.headers["location"]
            assert "next=/%5C" not in answer.headers["location"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_exactly_the_pages_of_the_table(site: TestClient, role: str):
    mine = permissions_of(role, ROOMS.door)
    for name in PAGE_PATHS:
        right: Right = PAGES.get(name.partition("/")[0], PAGES["{rest:path}"])
        answer = site.get(f"/en/{name}".rstrip("/"), headers=bearer(role))
        if not right.action or right.action in mine:
            assert answer.status_code == 200, name
        elif answer.status_code == 303:  # the first page leads to one he may open
            assert name == "" and answer.headers["location"].startswith("/en/")
        else:
            assert answer.status_code == 403 and "Not allowed" in answer.text, name
            assert TAG not in answer.text and ASSET not in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_menus_offer_what_one_may_open(site: TestClient, role: str):
    mine = permissions_of(role, ROOMS.door)
    page = site.get("/en/no/such/page", headers=bearer(role)).text
    for place in PLACES:
        offered = f"/en/{place.name}" + "&quot;" in page or f'/en/{place.name}\\"' in page
        if place.name:
            assert offered == (PAGES[place.name].action in mine), (role, place.name)
    found = site.get("/api/search?q=", headers=bearer(role)).json()
    assert {p["page"][1:] for p in found["pages"]} == {
        p.name for p in PLACES if PAGES[p.name].action in mine
    }
    assert all(v["permission"] in mine for v in found["verbs"])


def test_a_refusal_names_what_is_needed_and_who_may(web: TestClient):
    told = web.get("/api/audit", headers=bearer("viewer")).json()
    assert told["type"] == "urn:baotu:denied" and told["action"] == "audit.read"
    assert told["who_may"] == ["audit_admin"] and "audit.read" in told["detail"]


def test_who_is_known_but_locked_is_told_so(web: TestClient):
    answer = web.get("/api/tags", headers=bearer("locked"))
    assert answer.status_code == 403 and "locked" in answer.json()["detail"]


def test_the_figures_of_health_are_for_those_who_may_see_the_platform(web: TestClient):
    assert web.get("/api/health", headers=bearer("viewer")).json()["node"] == "hub"
    assert web.get("/api/health", headers=bearer("audit_admin")).json() == {"status": "alive"}


def test_officers_do_not_share_a_permission():
    officers = [permissions_of(r, ROOMS.door) for r in ROLES if ROLES[r].officer]
    for place, one in enumerate(officers):
        assert all(not one & other for other in officers[place + 1 :])
        assert one & ACTIONS.keys()
