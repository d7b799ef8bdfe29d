"""Answers to writes that were asked for with a key: asked again, nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from baotu.sdk import Conflict
from baotu.sdk.ports import Reply

from .effects import Chain
from .ledger import Rows

VERB = "tags.write"
FIND = "SELECT asked, answer FROM ledger_receipt WHERE organisation = ? AND verb = ? AND key = ?"


class Receipts:
    """Stored by the transactions of `Writes`; see there."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    def find(self, organisation: str, key: str, asked: str) -> Reply | None:
        """What was answered to this key. Raises Conflict when it was used for something else, or
        when the write it was used for is under way, or was cut off."""
        found = self.chain.store.ask(FIND, (organisation, VERB, key)) if key else []
        if not found:
            return None
        [(before, answer)] = found
        if before != asked:
            raise Conflict("key", f"{key} was used before for other arguments")
        return self.reply(json.loads(answer))

    def reply(self, answer: Mapping[str, Any]) -> Reply:
        if "reply" in answer:
            return Reply(**answer["reply"])
        if "request" in answer:
            number = int(answer["request"])
            return Reply(done=False, why=f"request {number} waits for approval", request=number)
        raise Conflict("key", "a write with this key was sent, its end is not known: see the audit")

    def keep(self, rows: Rows, organisation: str, key: str, reply: Reply) -> None:
        if key:
            answer = json.dumps({"reply": asdict(reply)})
            rows.add("answered", answer, organisation, VERB, key)
