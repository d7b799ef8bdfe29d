"""The sample configuration and the reference of every setting, made from the classes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields

from baotu.kernel.config import SECRET, literal, sample
from baotu.kernel.registry import Registry
from baotu.sdk import ConfigError
from baotu.sdk.asset import Zone
from baotu.sdk.settings import described
from baotu.trust.oidc.settings import IdentityProvider

from .settings import SECTIONS, DeviceSettings, ServerSettings


def sample_node() -> str:
    """A whole commented baotu.toml."""
    lines = [
        "# 趵突 Baotu: 节点配置 Configuration of a node. 去掉 # 即生效 Take a # away to change a default.",
        "",
    ]
    for name, kind in SECTIONS.items():
        lines += [*sample(kind, f"[{name}]"), ""]
    lines += [
        "# 设备 Devices: `baotu config --sample modbus` 打印某驱动的样例 prints the sample of a driver."
    ]
    return "\n".join(lines) + "\n"


def sample_driver(name: str, registry: Registry) -> str:
    """A commented `[[device]]` (and `[[server]]`) of one driver. Raises ConfigError."""
    entry = registry.driver(name)
    lines = [f"# {entry.title}: {entry.summary}", ""]
    if entry.client:
        lines += [*_common(DeviceSettings, "[[device]]", name), *sample(entry.client.Settings), ""]
        if entry.address_help:
            lines += [*(f"# {line}" for line in entry.address_help.strip().splitlines()), ""]
    if entry.server:
        lines += [*_common(ServerSettings, "[[server]]", name), *sample(entry.server.Settings), ""]
    return "\n".join(lines)


def _common(kind: type, table: str, driver: str) -> Iterator[str]:
    for line in sample(kind, table):
        yield f'driver = "{driver}"' if line.startswith("driver = ") else line


def sample_app(name: str, registry: Registry) -> str:
    """The commented `[app.<name>]` of one app. Raises ConfigError."""
    apps = registry.apps()
    if name not in apps:
        raise ConfigError(f"no app {name!r}", hint=f"installed: {', '.join(sorted(apps))}")
    lines = [f"# {(apps[name].__doc__ or name).strip()}", f"[app.{name}]"]
    for key, declared in apps[name].parameters().items():
        lines += [
            f"# {declared.title}{f' [{declared.unit}]' if declared.unit else ''}",
            f"# {key} = {literal(declared.default)}",
        ]
    return "\n".join(lines) + "\n"


def reference(registry: Registry) -> str:
    """docs/reference/configuration.md: every table, key, default and bound."""
    lines = [
        "# 配置参考 Configuration reference",
        "",
        "由程序生成 Made from the program: `baotu config --reference`.",
        "",
    ]
    for name, kind in SECTIONS.items():
        lines += [f"## `[{name}]`", "", *_table(kind)]
    lines += [
        "## `[[device]]`",
        "",
        *_table(DeviceSettings),
        "## `[[server]]`",
        "",
        *_table(ServerSettings),
        "## `[[zone]]`",
        "",
        *_table(Zone),
        "## `[[identity_provider]]`",
        "",
        *_table(IdentityProvider),
    ]
    for name in registry.drivers():
        entry = registry.driver(name)
        lines += [f"## 驱动 Driver `{name}`", "", f"{entry.title} — {entry.summary}", ""]
        for side, word in ((entry.client, "[[device]]"), (entry.server, "[[server]]")):
            if side:
                lines += [f"### `{word}`", "", *_table(side.Settings)]
    for name, app in sorted(registry.apps().items()):
        lines += [
            f"## 应用 App `[app.{name}]`",
            "",
            (app.__doc__ or "").strip().splitlines()[0],
            "",
        ]
        rows = [
            f"| `{k}` | `{literal(p.default)}` | {p.unit} | {p.title} |"
            for k, p in app.parameters().items()
        ]
        lines += [*_HEAD, *rows, ""] if rows else []
    return "\n".join(lines).rstrip() + "\n"


_HEAD = ["| key | default | unit, bounds | 说明 Meaning |", "|---|---|---|---|"]


def _table(kind: type) -> list[str]:
    rows = []
    for line in fields(kind):
        facts = described(line)
        default = (
            ""
            if line.default is MISSING
            else f"`{literal(line.default)}`"
            if line.default is not None
            else ""
        )
        low, high = ("" if b is None else f"{b:g}" for b in (facts["low"], facts["high"]))
        bounds = f"{low} … {high}" if low or high else ""
        words = " \\| ".join(facts["choices"]) or (f"`{SECRET}`" if facts["secret"] else "")
        rows.append(
            f"| `{line.name}` | {default or '—'} | {' '.join(x for x in (facts['unit'], bounds, words) if x)} | {facts['title']} |"
        )
    return [*_HEAD, *rows, ""]
