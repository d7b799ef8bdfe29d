"""A third-party app as the hub sees it: its verbs are real, its code is in another process.

Every call has a deadline. A process that dies, hangs or lies is ended and begun again after a pause
that doubles; one that keeps dying is stopped. The plant goes on in any case.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import TypeAdapter

from baotu.kernel.handlers import Elsewhere, Handler
from baotu.kernel.schema import Signature
from baotu.sdk import (
    Call,
    Caller,
    ConfigError,
    Conflict,
    Denied,
    Fact,
    Invalid,
    Refused,
    Samples,
    Window,
    derived,
    parameter,
)
from baotu.sdk.app import Mark
from baotu.sdk.door import Verb
from baotu.sdk.records import Records

from . import frames, source, views
from .facts import Elsewhere as Strange
from .facts import Lie, Sight, facts_of, names
from .frames import Answer, Ask, Broken, Called, Line, Wrong
from .manifest import GIFTS, Manifest, Offer
from .port import Gone, Launcher, Process
from .source import LOAD_S, Source, greeting

WAITS = "等待授权 waiting for a grant"
FIRST_S, LONGEST_S = 1.0, 60.0  # the pause after a death
DEATHS, WITHIN_S = 5, 600.0  # so many in so long: stopped
NOTES = 200
ANY: TypeAdapter[Any] = TypeAdapter(Any)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOBODY = Caller("nobody", "", frozenset())


class Fault(Exception):
    """A bug of an app that is elsewhere. trace: the author's lines, as that process told them."""

    def __init__(self, why: str, trace: str = "") -> None:
        super().__init__(why)
        self.trace = trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a call and a process may take."""

    call_s: float = 2.0
    memory_mb: int = 256
    scratch_mb: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """For the audit."""

    outcome: str  # refused | killed | noted
    why: str


class _Signature(Signature):
    """What the manifest says; the app's own process checks the arguments."""

    def __init__(self, offer: Offer) -> None:
        self.given = {name: GIFTS[kind] for name, kind in offer.given.items()}
        self.offer = offer
        self.numbers = frozenset()
        self.secrets = frozenset()
        self.answer = ANY  # plain JSON as it comes

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return dict(arguments)

    def takes(self) -> dict[str, Any]:
        return self.offer.takes

    def gives(self) -> dict[str, Any]:
        return self.offer.gives

    def dump(self, answer: Any) -> Any:
        return answer


class RemoteHandler(Handler):
    """Runs before the transaction, never in it: nobody else waits for a stranger's code."""

    @property
    def apart(self) -> bool:
        return True

    def rests(self) -> bool:
        app: Any = self.app
        return bool(app.remote.resting())

    def takes(self, kind: type) -> bool:
        """Also what is for the hub alone: whose facts they are."""
        return kind is Call or kind in self.signature.given.values()

    def run(
        self, arguments: Mapping[str, Any], gifts: Mapping[type, Any]
    ) -> tuple[Any, list[Fact]]:
        app: Any = self.app
        found: tuple[Any, list[Fact]] = app.remote.run(self, arguments, gifts)
        return found


class Remote:
    """The process of one app, when it is needed. Safe to call from any thread, one call at a time.

    sight: what the app sees in a call, by organisation and window. notes: for the audit, taken by
    whoever minds the apps (`take_notes`).
    """

    def __init__(
        self, launcher: Launcher, from_: Source, manifest: Manifest, settings: Mapping[str, Any],
        bounds: Bounds | None = None,
    ) -> None:  # fmt: skip
        self.launcher, self.source, self.manifest = launcher, from_, manifest
        self.settings = source.settings_of(manifest, settings)
        self.bounds = bounds or Bounds()
        self.sight: Callable[[Call | None, Window | None], Sight] | None = None
        self.minded = False  # somebody begins it anew, see `minder`; else the next call does
        self.cold = False  # it fell and has not begun anew
        self.permitted: Callable[[], bool] = lambda: True
        self.process: Process | None = None
        self.began = 0  # how often a process was begun: state in `self` of the app is new then
        self.calls = self.missed = 0
        self.stopped = ""
        self._lock = threading.Lock()
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._pause, self._next = FIRST_S, 0.0
        self._notes: deque[Note] = deque(maxlen=NOTES)
        self._said: set[str] = set()
        self.busy = False

    # -- life -----------------------------------------------------------------------------------
    def resting(self) -> bool:
        if self.stopped or (self.cold and self.minded):
            return True
        return time.monotonic() < self._next

    def revive(self) -> bool:
        """Begin it anew when its pause is over; True when it lives."""
        if self.stopped or time.monotonic() < self._next or not self.permitted():
            return False
        with self._lock:
            try:
                self._need()
            except (Fault, Gone, ConfigError) as error:
                self.note("killed", str(error))
                return False
        return True

    def close(self) -> None:
        """At once, whatever it does: the grant is gone, or the platform ends."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def end(self, why: str) -> None:
        """From outside: revoked, or it does what it should not between calls."""
        process = self.process
        if process is not None:
            self._fallen(process, why)

    def take_notes(self) -> list[Note]:
        found = []
        while self._notes:
            found.append(self._notes.popleft())
        return found

    def note(self, outcome: str, why: str) -> None:
        """Each once for a process: an app cannot flood the audit."""
        if why not in self._said and len(self._said) < NOTES:
            self._said.add(why)
            self._notes.append(Note(outcome=outcome, why=why))

    def _need(self) -> Process:
        if self.process is not None:
            return self.process
        name = self.manifest.name
        spec = self.source.spec("serve", app=name, settings=self.settings)
        process = self.launcher.start(
            spec, self.source.readable(), memory_mb=self.bounds.memory_mb,
            scratch_mb=self.bounds.scratch_mb,
        )  # fmt: skip
        self.process = process
        self.began += 1
        self._said.clear()
        try:
            found = greeting(process.line, time.monotonic() + LOAD_S)
        except (EOFError, OSError, Broken) as error:
            raise self._fallen(process, f"did not begin: {error or type(error).__name__}") from None
        if found.wrong:
            raise self._fallen(process, f"did not begin: {found.wrong}")
        self.cold = False
        return process

    def _fallen(self, process: Process, why: str) -> Fault:
        """End it, pause, and say so."""
        how = process.kill()
        if self.process is not process:
            return Fault(f"its process was ended ({how})")
        self.process = None
        self.cold = True
        now = time.monotonic()
        self._deaths.append(now)
        recent = [at for at in self._deaths if now - at < WITHIN_S]
        self._pause = min(FIRST_S * 2 ** (len(recent) - 1), LONGEST_S)
        self._next = now + self._pause
        said = f"{why} ({how})"
        self._said.discard(said)
        self.note("killed", said)
        if len(recent) >= DEATHS:
            self.stopped = f"stopped after its process was ended {DEATHS} times: {said}"
            self.note("killed", self.stopped)
        return Fault(f"its process was ended: {said}")

    # -- calls ----------------------------------------------------------------------------------
    def run(
        self, handler: Handler, arguments: Mapping[str, Any], gifts: Mapping[type, Any]
    ) -> tuple[Any, list[Fact]]:
        """What it answers and yields. Raises what the handler raised, Fault, Denied, Refused."""
        if not self.permitted():
            raise Denied(f"{self.manifest.name}: {WAITS}")
        if self.resting():
            raise Refused(
                self.stopped
                or f"{self.manifest.name} is begun anew, ask again in {self._pause:.0f} s"
            )
        if Records in handler.signature.given.values():
            raise Denied(
                f"{handler.name} takes records: only an app that runs in the hub has tables"
            )
        asked, columns, call, window = _asked(handler, arguments, gifts)
        with self._lock:
            answer, reader = self._exchange(asked, columns)
        return self._judged(handler, answer, reader, call, window)

    def _exchange(self, asked: Ask, columns: list[Any]) -> tuple[Answer, frames.Reader]:
        process = self._need()
        line, until = Line(process.line), time.monotonic() + self.bounds.call_s
        self.busy = True
        try:
            line.send(frames.encoded(asked, columns), until)
            head, body = line.receive(until)
            answer = frames.decoded(head, Answer)
        except TimeoutError:
            raise self._fallen(process, f"took longer than {self.bounds.call_s:g} s") from None
        except Broken as broken:
            raise self._fallen(process, f"sent what is not the protocol: {broken}") from None
        except (EOFError, OSError):
            raise self._fallen(process, "ended in the middle of a call") from None
        finally:
            self.busy = False
        self.calls += 1
        return answer, frames.Reader(body)

    def _judged(
        self, handler: Handler, answer: Answer, reader: frames.Reader, call: Call | None,
        window: Window | None,
    ) -> tuple[Any, list[Fact]]:  # fmt: skip
        for text in names(answer):
            self.note("noted", f"the app tried to {text}")
        if answer.wrong is not None:
            raise _error(answer.wrong)
        sight = self.sight
        try:
            if sight is None:
                raise Lie("facts before the plant is known")
            facts = facts_of(answer, reader, sight(call, window))
            value = views.view_of(answer.value) if handler.mark.kind == "page" else answer.value
        except Lie as lie:
            self.note("refused", f"the app told {lie}")
            if isinstance(lie, Strange) and handler.mark.kind == "command":  # its caller said so
                raise Invalid("tag", f"{lie.tag} does not exist") from None
            raise Fault(f"told {lie}") from None
        except Broken as broken:
            process = self.process
            if process is not None:
                raise self._fallen(process, f"sent what is not the protocol: {broken}") from None
            raise Fault(str(broken)) from None
        return value, facts


def _asked(
    handler: Handler, arguments: Mapping[str, Any], gifts: Mapping[type, Any]
) -> tuple[Ask, list[Any], Call | None, Window | None]:
    call: Call | None = gifts.get(Call)
    window: Window | None = gifts.get(Window)
    samples: Samples | None = gifts.get(Samples)
    columns: list[Any] = []
    asked = Ask(handler.verb.name, {k: _plain(v) for k, v in arguments.items()})
    if call is not None and Call in handler.signature.given.values():
        who = call.caller
        asked.call = Called(
            who.name, who.organisation, sorted(who.permissions), sorted(who.roles), who.kind, "",
            round(call.now.timestamp() * 1e6), call.key, call.late,
        )  # fmt: skip
    if samples is not None:
        asked.samples, columns = frames.split(samples)
    if window is not None:
        told = {}
        for property, part in window.samples.items():
            told[property], arrays = frames.split(part)
            columns += arrays
        asked.window = frames.Windowed(
            window.asset, window.start, window.end, told, dict(window.out), window.again
        )
    return asked, columns, call, window


def _plain(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError):
        return str(value)


def _error(wrong: Wrong) -> Exception:
    match wrong.kind:
        case "Invalid" | "Conflict":
            kind = Conflict if wrong.kind == "Conflict" else Invalid
            error: Exception = kind(wrong.field[:200], wrong.why[:2000])
            error.parsing = wrong.phase == "parse"  # type: ignore[attr-defined] # see `beforehand`
            return error
        case "Denied":
            return Denied(wrong.why[:2000])
    return Fault(f"{wrong.kind[:100]}: {wrong.why[:2000]}", wrong.trace[:8000])


def remote_app(remote: Remote) -> Elsewhere:
    """An App of the hub for an app that is elsewhere: declarations only."""
    manifest = remote.manifest
    settings = {
        name: _named(parameter(s.default, unit=s.unit, title=s.title), name)
        for name, s in manifest.settings.items()
    }
    derives = {
        name: derived(
            asset=d.asset, property=d.property, unit=d.unit, low=d.low, high=d.high, title=d.title
        )
        for name, d in manifest.derives.items()
    }
    body: dict[str, Any] = {
        **settings, **derives, "__doc__": manifest.doc, "title": manifest.title,
        "serves": tuple(manifest.serves), "permissions": tuple(manifest.permissions),
        "name": classmethod(lambda cls: manifest.name), "remote": remote,
        "handlers": lambda app: _handlers(app, remote),
        "marked": classmethod(lambda cls, *kinds: _marked(manifest, kinds)),
    }  # fmt: skip
    kind = type(f"Remote_{manifest.name}", (Elsewhere,), body)
    return kind(**remote.settings)


def _named(one: parameter, name: str) -> parameter:
    one.name = name
    return one


def _handlers(app: Elsewhere, remote: Remote) -> Iterator[Handler]:
    name = remote.manifest.name
    for offer in remote.manifest.offers:
        verb = Verb(
            app=name, name=offer.name, kind=offer.kind,
            title=offer.title or offer.name.replace("_", " "), summary=offer.summary,
            permission=offer.permission or ("" if offer.kind == "result" else f"{name}.read"),
            takes=offer.takes, gives=offer.gives, duty=offer.duty,  # type: ignore[arg-type] # checked
        )  # fmt: skip
        yield RemoteHandler(app, _nothing, _mark(offer), verb, _Signature(offer))


def _marked(manifest: Manifest, kinds: tuple[str, ...]) -> list[tuple[Mark, Callable[..., Any]]]:
    chosen = [o for o in manifest.offers if not kinds or o.kind in kinds]
    return [(_mark(o), _hearing(o) if o.kind == "stream" else _nothing) for o in chosen]


def _hearing(offer: Offer) -> Callable[..., Iterator[Fact]]:
    """A stream handler as a function of the app, for `sdk.testing.feed` and `check_app`."""

    def hear(app: Elsewhere, samples: Samples) -> Iterator[Fact]:
        [handler] = [h for h in app.handlers() if h.verb.name == offer.name]
        call = Call(NOBODY, EPOCH)
        yield from handler.run({}, {Samples: samples, Call: call})[1]

    return hear


def _mark(offer: Offer) -> Mark:
    return Mark(
        kind=offer.kind, permission=offer.permission, duty=offer.duty, title=offer.title,  # type: ignore[arg-type]
        asset=offer.asset, property=offer.property, inputs=tuple(offer.inputs),
        every_s=offer.every_s, solve=solver(offer.solve) if offer.solve else None,
    )  # fmt: skip


def solver(path: str) -> Callable[..., Any]:
    """Stands for a solver by its path; never run here."""

    def elsewhere(*_: Any) -> None:
        raise Denied("a solver of a third-party app runs in a process of its own")

    elsewhere.__module__, _, elsewhere.__qualname__ = path.partition(":")
    return elsewhere


def _nothing(*_: Any) -> None:
    raise Denied("the code of a third-party app is not here")
