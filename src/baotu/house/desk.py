"""The configuration as the console handles it: shown, checked without effect, replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from baotu.sdk import Caller, ConfigError

from .file import DeviceLine, HouseConfig, ServerLine, examine

log = structlog.get_logger("baotu.desk")
LIVE = ("asset", "asset_type", "device", "server")


class ConfigDesk:
    """Implements `sdk.ports.Desk`. apply: what the node does with a new configuration.

    audit: (caller, outcome, reason), for the record that a replacement leaves.
    """

    def __init__(
        self,
        config: HouseConfig,
        apply: Callable[[HouseConfig], None],
        audit: Callable[[Caller, str, str], None],
    ) -> None:
        self._config, self._apply, self._audit = config, apply, audit

    def text(self) -> str:
        return self._config.text

    def _examined(self, text: str) -> tuple[HouseConfig | None, list[ConfigError]]:
        """With the data folder of now: that one does not move while the node runs."""
        return examine(self._config.path, text, self._config.basics.node.data)

    def path(self) -> Path:
        return self._config.path

    def check(self, text: str) -> list[ConfigError]:
        made, problems = self._examined(text)
        return [*problems, *(made.warnings if made else ())]

    def changes(self, text: str) -> list[str]:
        made, _ = self._examined(text)
        return list(_changes(self._written(), made)) if made else []

    def _written(self) -> HouseConfig:
        """What the file says now; the command line may have said otherwise when the node started."""
        return self._examined(self._config.text)[0] or self._config

    def replace(self, text: str, caller: Caller, reason: str) -> list[str]:
        made, problems = self._examined(text)
        if problems or made is None:
            raise problems[0]
        told = list(_changes(self._written(), made))
        path = self._config.path
        before, fresh = path.with_name(path.name + ".before"), path.with_name(path.name + ".new")
        before.write_text(self._config.text, encoding="utf-8")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._audit(caller, "done", reason)
        self._config = made
        self._apply(made)
        return told


def _changes(old: HouseConfig, new: HouseConfig) -> Iterator[str]:
    """One line each, 中文 English."""
    yield from _lines("设备 device", _by_name(old.devices), _by_name(new.devices))
    yield from _lines("服务 server", _by_name(old.servers), _by_name(new.servers))
    for title, before, after in (
        ("资产 assets", old.assets, new.assets),
        ("资产类型 asset types", old.types, new.types),
    ):
        if before != after:
            yield f"~ {title}: {len(before)} → {len(after)}"
    if old.apps != new.apps or old.basics != new.basics:
        yield "! 重启后生效 takes effect after a restart: " + ", ".join(_restart(old, new))


def _restart(old: HouseConfig, new: HouseConfig) -> list[str]:
    found = [
        name for name in vars(old.basics) if getattr(old.basics, name) != getattr(new.basics, name)
    ]
    names = old.apps.keys() | new.apps.keys()
    return [f"[{n}]" for n in found] + [
        f"[app.{n}]" for n in sorted(names) if old.apps.get(n) != new.apps.get(n)
    ]


def _by_name(lines: Sequence[DeviceLine | ServerLine]) -> Mapping[str, Any]:
    return {line.common.name: line for line in lines}


def _lines(title: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"+ {title} {name}: 启动 starts"
        elif name not in new:
            yield f"- {title} {name}: 停止 stops"
        elif old[name] != new[name]:
            yield f"~ {title} {name}: 按新配置重启 starts anew as configured"
