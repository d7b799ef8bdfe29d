"""What is installed, for the page of apps. Reads declarations and health; starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from baotu.kernel.board import HealthBoard
from baotu.sdk import App
from baotu.sdk.app import Mark
from baotu.sdk.health import Health
from baotu.sdk.ports import AppCard, AppProcess


class AppCards:
    """Implements `sdk.ports.Apps`."""

    def __init__(
        self,
        apps: Sequence[App],
        board: HealthBoard,
        process: Callable[[str], AppProcess | None] = lambda app: None,
        wrong: Collection[str] = (),
    ) -> None:
        """process: of an app that has one of its own. wrong: sources that could not be loaded."""
        self._apps, self._board, self._process, self._wrong = apps, board, process, wrong

    def cards(self) -> list[AppCard]:
        healths = {h.name: h for h in self._board.healths("app")}
        return [
            *(_card(app, healths.get(app.name()), self._process(app.name())) for app in self._apps),
            *(_broken(healths[name]) for name in self._wrong if name in healths),
        ]


def _broken(health: Health) -> AppCard:
    return AppCard(
        name=health.name, title=health.name, summary="无法加载 Cannot be loaded", serves=(),
        settings={}, listens=(), permissions=(), health=health,
    )  # fmt: skip


def _card(app: App, health: Health | None, process: AppProcess | None) -> AppCard:
    name = app.name()
    summary = (type(app).__doc__ or "").strip().partition("\n")[0]
    return AppCard(
        name=name,
        title=app.title or name,
        summary=summary,
        serves=app.serves,
        settings={n: getattr(app, n) for n in app.parameters()},
        listens=tuple(_heard(mark) for mark, _ in app.marked("stream", "every")),
        permissions=tuple(sorted({m.permission for m, _ in app.marked() if m.permission})),
        health=health or Health(kind="app", name=name, state="up", since=0),
        process=process,
    )


def _heard(mark: Mark) -> str:
    if mark.kind == "stream":
        return f"{mark.asset}.{mark.property}"
    return f"{mark.asset}.{{{', '.join(mark.inputs)}}} / {mark.every_s:g} s"
