"""Which of the two languages a reader gets."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

LANGUAGES: dict[str, Any] = {"zh": "zh-CN", "en": "en-US"}
MOST_WISHES = 20


def language_of(request: HTTPConnection) -> str:
    """What was chosen before, else what the browser prefers; English when it knows neither."""
    if (chosen := request.cookies.get("baotu.language", "")) in LANGUAGES:
        return chosen
    wishes = []
    told = request.headers.get("accept-language", "").split(",")[:MOST_WISHES]
    for place, wish in enumerate(told):
        name, _, weight = wish.strip().partition(";q=")
        try:
            wishes.append((-float(weight or 1), place, name[:2].lower()))
        except ValueError:  # no weight in the sense of RFC 9110 12.4.2
            continue
    return next((name for _, _, name in sorted(wishes) if name in LANGUAGES), "en")
