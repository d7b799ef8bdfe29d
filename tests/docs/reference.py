"""The reference pages that are made from the program: `python -m tests.docs.reference` writes them.

A test compares them with what is written, so the documentation cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from baotu.cli import app as command_line
from baotu.console.app import build_api
from baotu.console.pages.words import PLACES
from baotu.console.signin.pages import ACCOUNT, PEOPLE, TITLES
from baotu.house.reference import reference as configuration
from baotu.kernel.registry import Registry
from baotu.sdk.quality import REASONS
from tests.console.fake import rooms

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
UNUSED: Any = object()  # accounts whose routes are described and never called
MADE = "由程序生成 Made from the program."


def commands() -> str:
    """Every command of `baotu` with its arguments and options."""
    lines = ["# 命令参考 Command reference", "", MADE, ""]
    return (
        "\n".join([*lines, *_command(typer.main.get_command(command_line), "baotu")]).rstrip()
        + "\n"
    )


def _command(command: Any, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for word in sorted(inner):
            yield from _command(inner[word], f"{name} {word}")
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shown = " ".join(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)
    yield from (f"## `{name}{' ' + shown if shown else ''}`", "", (command.help or "").strip(), "")
    rows = [_row(p) for p in command.params if p.name != "help"]
    if rows:
        yield from ("| | default | 说明 Meaning |", "|---|---|---|", *rows, "")


def _row(parameter: Any) -> str:
    name = (
        "/".join(parameter.opts)
        if parameter.param_type_name == "option"
        else parameter.name.upper()
    )
    default = parameter.default
    shown = (
        f"`{default}`"
        if isinstance(default, str | int | float | Path)
        and not isinstance(default, bool)
        and str(default)
        else ""
    )
    return f"| `{name}` | {shown} | {(getattr(parameter, 'help', '') or '').strip()} |"


def api() -> str:
    """Every route of the HTTP API of a node without apps, from its OpenAPI document."""
    given = replace(rooms(size=10), people=UNUSED)
    verbs = {f"/api/{v.app}/{v.name}" for v in given.door.verbs()}
    document = build_api(given).openapi()
    lines = [
        "# HTTP API", "", MADE, "",
        "完整描述见运行中节点的 `/openapi.json`。每个应用的动词另有路由 `/api/<app>/<verb>`。",
        "The whole description is at `/openapi.json` of a running node. Each verb of an app has a route `/api/<app>/<verb>` besides.",
        "", "| | | |", "|---|---|---|",
    ]  # fmt: skip
    for path, operations in sorted(document["paths"].items()):
        for method, about in operations.items():
            if path in verbs:
                continue
            asked = ", ".join(
                f"`{p['name']}`" for p in about.get("parameters", ()) if p["in"] == "query"
            )
            text = (
                about.get("description", about.get("summary", ""))
                .partition("\n\n")[0]
                .replace("\n", " ")
            )
            lines.append(f"| `{method.upper()} {path}` | {asked} | {text} |")
    lines += ["", "`WS /api/live` — 实时值 live values; see the document's introduction.", ""]
    return "\n".join(lines)


def pages() -> str:
    """Every page of the console."""
    lines = [
        "# 控制台页面 Pages of the console",
        "",
        MADE,
        "",
        "| 地址 Address | 标题 Title |",
        "|---|---|",
    ]
    lines += [f"| `/{place.name}` | {place.title} |" for place in PLACES]
    lines += [
        *(f"| `/{place.name}` | {place.title} |" for place in (PEOPLE, ACCOUNT)),
        *(f"| `/{name}` | {title} |" for name, title in TITLES.items()),
        "| `/asset/<path>` | 资产 Asset |",
        "| `/app/<app>/<page>` | 应用的页面 Page of an app |",
        "",
    ]
    return "\n".join(lines)


def qualities() -> str:
    """Every quality with its OPC UA StatusCode."""
    lines = [
        "# 质量码 Qualities",
        "",
        MADE,
        "",
        "| 码 Code | 名称 Name | OPC UA | 含义 Meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {int(q)} | `{q.name}` | `0x{r.status:08X}` | {r.title} |"
        for q, r in sorted(REASONS.items())
    ]
    return "\n".join(lines) + "\n"


MADE_BY: dict[str, Callable[[], str]] = {
    "configuration.md": lambda: configuration(Registry()),
    "commands.md": commands,
    "api.md": api,
    "pages.md": pages,
    "qualities.md": qualities,
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in MADE_BY.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
