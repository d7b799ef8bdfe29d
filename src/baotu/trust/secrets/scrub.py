"""Takes values that were revealed out of texts: the second line of defence for logs and errors.

It knows the spellings a value takes on its way: plain, escaped, base64 (alone or inside something),
hex, percent-encoded. It does not know what a program makes of a value beyond that.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 4  # characters: of shorter ones every text is full
GONE = "•••"


class Scrubber:
    """Safe from any thread. One a node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def know(self, value: str) -> None:
        """From now on this value is taken out. Lines of a PEM one by one: logs cut there."""
        parts = [value, *(line for line in value.splitlines() if not line.startswith("-----"))]
        new = {s for part in parts if len(part) >= SHORTEST for s in spellings(part)}
        with self._lock:
            if new <= self._known:
                return
            self._known |= new
            longest = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest)), re.IGNORECASE)

    def clean(self, text: str) -> str:
        pattern = self._pattern
        return text if pattern is None else pattern.sub(GONE, text)

    def deep(self, value: Any) -> Any:
        """The same for what is inside: tables, lists, and the text of anything else."""
        if self._pattern is None or value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.deep(k): self.deep(v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.deep(v) for v in value]
        text = str(value)
        return self.clean(text) if self._pattern.search(text) else value

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        """A processor of structlog; stands after the one that formats exceptions."""
        return self.deep(dict(event)) if self._pattern else event

    def watch_programs_end(self) -> None:
        """Tracebacks of what nobody caught go to standard error: through here."""

        def main(kind: type[BaseException], error: BaseException, trace: Any) -> None:
            text = "".join(traceback.format_exception(kind, error, trace))
            sys.stderr.write(self.clean(text))

        def thread(told: threading.ExceptHookArgs) -> None:
            if told.exc_value is not None and told.exc_type is not SystemExit:
                main(told.exc_type, told.exc_value, told.exc_traceback)

        sys.excepthook, threading.excepthook = main, thread

    def formatter(self, format: str) -> logging.Formatter:
        """For handlers of the standard library's logs."""
        clean = self.clean

        class Clean(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                return clean(super().format(record))

        return Clean(format)


def spellings(value: str) -> Iterator[str]:
    data = value.encode()
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield repr(data)[2:-1]
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield data.hex()
    yield data.hex(" ")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from _inside(encode, data)


def _inside(encode: Any, data: bytes) -> Iterator[str]:
    """What base64 makes of it wherever it begins: the letters no neighbour can change."""
    for before in range(3):
        whole = encode(b"\0" * before + data).decode()
        bits = (before * 8, (before + len(data)) * 8)
        first, last = -(-bits[0] // 6), bits[1] // 6
        if last - first >= SHORTEST + 2:
            yield whole[first:last]
