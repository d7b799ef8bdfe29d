"""What the apps offer, read once from their classes; and how a handler is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import isgenerator
from typing import Any

from baotu.sdk import App, ConfigError, Fact
from baotu.sdk.app import Mark
from baotu.sdk.door import Verb

from .schema import Signature


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """One marked method of one app."""

    app: App
    function: Callable[..., Any]
    mark: Mark
    verb: Verb
    signature: Signature

    @property
    def name(self) -> str:
        return f"{self.verb.app}.{self.verb.name}"

    @property
    def apart(self) -> bool:
        """It runs in another process, so before a transaction and never in one."""
        return False

    def rests(self) -> bool:
        """It cannot run just now: its process is begun anew, or was stopped."""
        return False

    def takes(self, kind: type) -> bool:
        return kind in self.signature.given.values()

    def run(
        self, arguments: Mapping[str, Any], gifts: Mapping[type, Any]
    ) -> tuple[Any, list[Fact]]:
        """Its answer and the facts it yielded. gifts: what the kernel gives, by type."""
        given = {name: gifts[kind] for name, kind in self.signature.given.items()}
        facts: list[Fact] = []
        answer = self.function(self.app, **arguments, **given)
        if isgenerator(answer):
            answer = _drain(facts, answer)
        return answer, facts


class Elsewhere(App):
    """An app whose code is in another process: here it has declarations and handlers only."""

    def handlers(self) -> Iterator[Handler]:
        raise NotImplementedError


def handlers_of(app: App) -> Iterator[Handler]:
    if isinstance(app, Elsewhere):
        yield from app.handlers()
        return
    for mark, function in app.marked():
        signature, name = Signature(function), app.name()
        verb = Verb(
            app=name,
            name=function.__name__,
            kind=mark.kind,
            title=mark.title or function.__name__.replace("_", " "),
            summary=(function.__doc__ or "").strip().partition("\n")[0],
            permission=mark.permission or ("" if mark.kind == "result" else f"{name}.read"),
            takes=signature.takes(),
            gives=signature.gives(),
            duty=mark.duty,
        )
        yield Handler(app, function, mark, verb, signature)


def all_handlers(apps: Sequence[App]) -> dict[tuple[str, str], Handler]:
    """Raises ConfigError when two apps have the same name."""
    names: dict[str, App] = {}
    for app in apps:
        if (other := names.setdefault(app.name(), app)) is not app:
            raise ConfigError(
                f"two apps are called {app.name()}: {type(app).__module__} and "
                f"{type(other).__module__}",
                "apps",
                "rename one class",
            )
    return {(h.verb.app, h.verb.name): h for app in apps for h in handlers_of(app)}


def beforehand(
    handler: Handler, arguments: Mapping[str, Any], gifts: Mapping[type, Any]
) -> Callable[[], tuple[Any, list[Fact]]]:
    """Run a handler that is elsewhere now; the function gives what came of it, in the transaction.

    What it raised is raised there, so it counts like that of any other. Raises Invalid at once for
    arguments that are wrong.
    """
    try:
        found = handler.run(arguments, gifts)
    except Exception as error:
        if getattr(error, "parsing", False):
            raise
        failed = error

        def fail() -> tuple[Any, list[Fact]]:
            raise failed

        return fail
    return lambda: found


def path_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def _drain(facts: list[Fact], handler: Any) -> Any:
    while True:
        try:
            facts.append(next(handler))
        except StopIteration as end:
            return end.value
