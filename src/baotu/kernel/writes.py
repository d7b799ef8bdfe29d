"""Writes to the plant: decided, checked, carried out, read back and audited; never forgotten.

Never inside a transaction and never on the thread of an app: hands are slow.
"""

from __future__ import annotations

import threading
from queue import Empty, Full, Queue

import numpy as np

from baotu.sdk import (
    BaotuError,
    Caller,
    Denied,
    Invalid,
    Quality,
    Refused,
    Resource,
    Tag,
    Unreachable,
    Write,
)
from baotu.sdk.ports import Reply

from .effects import Chain
from .facts import Order

SECOND = 1_000_000_000
BOUND = 1000  # writes that wait in one lane; more are refused and audited
PERMISSION = "tags.write"


class Writes:
    """Implements `sdk.ports.Actuators` towards faces, with a caller; takes what apps yield.

    `lanes` threads carry writes out; those of one tag keep their order.
    """

    def __init__(self, chain: Chain, *, lanes: int = 4) -> None:
        self.chain = chain
        self._queues: list[Queue[Order | None]] = [Queue(BOUND) for _ in range(lanes)]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self.chain.orders = self.put
        for number, queue in enumerate(self._queues):
            thread = threading.Thread(
                target=self._loop, args=(queue,), name=f"writes-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, deadline_s: float = 5.0) -> None:
        """What still waits is refused and audited."""
        self.chain.orders = None
        for queue in self._queues:
            while True:
                try:
                    order = queue.get_nowait()
                except Empty:
                    break
                if order is not None:
                    self._tell(order, "refused", "the platform stops")
            queue.put(None)
        for thread in self._threads:
            thread.join(deadline_s / max(1, len(self._threads)))
        self._threads.clear()

    def put(self, order: Order) -> None:
        """From the chain, after the commit. Never blocks."""
        try:
            self._queues[order.write.tag % len(self._queues)].put_nowait(order)
        except Full:
            self._tell(order, "refused", f"{BOUND} writes wait already; the device is too slow")

    def write(
        self, tag: int, value: float | str, caller: Caller, reason: str, expires_s: float = 5.0
    ) -> Reply:
        """A write that a person or a bridged protocol asks for; waits for the read-back.

        Raises Denied, Invalid, Refused, Unreachable; each outcome is audited.
        """
        asked = self.chain.clock.now()
        write = Write(tag=tag, value=value, reason=reason, expires_s=expires_s)
        order = Order(app="tags", caller=caller, write=write, asked=asked)
        return self._audited(order, caller)

    def carry_out(self, order: Order) -> None:
        """Do what an app asked for; every outcome is audited, none is raised."""
        granted = self.chain.reach.grants.get(order.app, frozenset())
        who = Caller(f"app:{order.app}", order.caller.organisation, granted, kind="app")
        try:
            self._audited(order, who)
        except BaotuError:
            return  # the audit has it: nobody else waits for it

    def _loop(self, queue: Queue[Order | None]) -> None:
        while (order := queue.get()) is not None:
            try:
                self.carry_out(order)
            except Exception as error:  # noqa: BLE001 - a bug of an adapter must not end the lane
                self._tell(order, "bug", f"{type(error).__name__}: {error}")

    def _audited(self, order: Order, who: Caller) -> Reply:
        try:
            reply = self._done(order, who)
        except Denied as error:
            self._tell(order, "denied", str(error))
            raise
        except (Invalid, Refused, Unreachable) as error:
            expired = self.chain.clock.now() > self._deadline(order)
            self._tell(order, "expired" if expired else "refused", str(error))
            raise
        why = f"read back {reply.value}" if reply.value is not None else reply.why
        self._tell(order, "done" if reply.done else "refused", why)
        return reply

    def _done(self, order: Order, who: Caller) -> Reply:
        reach, write = self.chain.reach, order.write
        tag = reach.plant.by_id(write.tag) if reach.plant else None
        if tag is None:
            raise Invalid("tag", f"{write.tag} is not in the tag table")
        self.chain.policy.decide(who, PERMISSION, Resource("tag", tag.name))
        if not tag.writable:
            raise Denied(f"{tag.name} is read only; set writable = true where it may be written")
        if reach.actuators is None:
            raise Unreachable("this node reaches no device; write where the hub runs")
        self._check_evidence(write)
        if self.chain.clock.now() > self._deadline(order):
            raise Refused(
                f"{tag.name}: not carried out within {write.expires_s:g} s, so not at all"
            )
        return reach.actuators.write(write.tag, write.value, self._deadline(order))

    def _check_evidence(self, write: Write) -> None:
        """The newest sample of each tag that the write rests on must be good."""
        if not write.evidence:
            return
        if self.chain.reach.history is None:
            raise Refused("there is no history here to look at the evidence")
        wanted = np.array(write.evidence, "i4")
        good: set[int] = set()
        for samples in self.chain.reach.history.latest(wanted):
            good.update(samples.tag[samples.quality < Quality.UNCERTAIN].tolist())
        if missing := [tag for tag in write.evidence if tag not in good]:
            raise Refused(f"evidence is not good: {', '.join(self._name(t) for t in missing)}")

    def _name(self, id: int) -> str:
        plant = self.chain.reach.plant
        tag: Tag | None = plant.by_id(id) if plant else None
        return tag.name if tag else f"tag {id}"

    def _deadline(self, order: Order) -> int:
        return order.asked + int(order.write.expires_s * SECOND)

    def _tell(self, order: Order, outcome: str, why: str) -> None:
        write = order.write
        words = f"{self._name(write.tag)} = {write.value}: {write.reason}; {why}".rstrip("; ")
        name = "write" if order.app == "tags" else f"write {self._name(write.tag)}"
        self.chain.note(order.app, name, order.caller, outcome, words, PERMISSION)
