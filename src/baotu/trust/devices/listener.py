"""The sockets of enrolment and status: one loop in a thread of its own for all connections.

A slow client costs a file descriptor until its deadline and nothing else: handshakes and bytes are
the loop's, answers are made by a few worker threads. Which TLS context a connection gets is asked
for each one, so a renewed certificate needs no restart.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import structlog

from baotu.kernel.lifecycle import LoopThread

from .http import Connection, Request, Response

log = structlog.get_logger("baotu.devices")
MOST = 1_000  # connections at once
MOST_OF_ONE = 200  # from one source
HANDSHAKE_S, REQUEST_S, IDLE_S = 10.0, 15.0, 15.0
WORKERS = 8
BACKLOG = 512
Handle = Callable[[Request], Response]
Context = Callable[[], ssl.SSLContext]


class Listener:
    """Answers on a bound socket until `stop`. context: None for plain HTTP.

    failed: hears of a certificate that TLS itself refused (place, the words of OpenSSL).
    """

    def __init__(
        self,
        listening: socket.socket,
        handle: Handle,
        *,
        name: str,
        context: Context | None = None,
        failed: Callable[[str, str], None] | None = None,
    ) -> None:
        self.socket, self.handle, self.context, self.failed = listening, handle, context, failed
        listening.setblocking(False)
        self.connections: set[_Line] = set()
        self._sources: dict[str, int] = {}
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix=name)
        self._loop = LoopThread(name)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def start(self) -> None:
        self._loop.call(self._begin())

    def stop(self) -> None:
        self._loop.soon(self._close_all)
        self._loop.stop()
        self.socket.close()
        self._workers.shutdown(wait=True)

    def cut(self, peers: Callable[[bytes], bool], done: Callable[[int], None]) -> None:
        """End the connections whose peer showed a certificate for which this is true; `done` hears,
        on a worker's thread, how many there were."""

        def work() -> None:
            lines = [line for line in self.connections if line.peer and peers(line.peer)]
            for line in lines:
                line.abort()
            if lines:
                self._workers.submit(done, len(lines))

        self._loop.soon(work)

    async def _begin(self) -> None:
        self._accepting = asyncio.create_task(self._accept())
        self._tasks: set[asyncio.Task[None]] = set()

    def _close_all(self) -> None:
        for line in tuple(self.connections):
            line.abort()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self.socket)
            except OSError as error:  # out of file descriptors: those that are open go on
                log.warning("cannot accept", why=str(error))
                await asyncio.sleep(0.1)
                continue
            host = str(address[0])
            if len(self._tasks) >= MOST or self._sources.get(host, 0) >= MOST_OF_ONE:
                accepted.close()
                continue
            self._sources[host] = self._sources.get(host, 0) + 1
            task = asyncio.create_task(self._serve(accepted, host, f"[{host}]:{address[1]}"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket, host: str, place: str) -> None:
        loop = asyncio.get_running_loop()
        line = _Line(self, place, loop)
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = self.context() if self.context else None
            await loop.connect_accepted_socket(
                lambda: line, accepted, ssl=secure,
                ssl_handshake_timeout=HANDSHAKE_S if secure else None,
                ssl_shutdown_timeout=1.0 if secure else None,
            )  # fmt: skip
            await line.ended
        except ssl.SSLCertVerificationError as error:
            if self.failed is not None:
                await loop.run_in_executor(self._workers, self.failed, place, error.verify_message)
        except (OSError, TimeoutError):  # the peer went away, or was too slow
            pass
        finally:
            if self._sources[host] == 1:
                del self._sources[host]
            else:
                self._sources[host] -= 1

    def work(self, request: Request) -> asyncio.Future[Response]:
        return asyncio.get_running_loop().run_in_executor(self._workers, self.handle, request)


class _Line(asyncio.Protocol):
    """One connection; all of it runs on the loop's thread."""

    def __init__(self, listener: Listener, place: str, loop: asyncio.AbstractEventLoop) -> None:
        self._listener, self._place, self._loop = listener, place, loop
        self._http = Connection()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._busy = False
        self.ended: asyncio.Future[None] = loop.create_future()
        self.peer, self._binding = b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        secure = transport.get_extra_info("ssl_object")
        if secure is not None:
            self.peer = secure.getpeercert(binary_form=True) or b""
            if secure.version() == "TLSv1.2":
                self._binding = secure.get_channel_binding("tls-unique") or b""
        self._listener.connections.add(self)
        self._wait(REQUEST_S)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._look(data)

    def eof_received(self) -> None:
        self._look(b"")

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _look(self, data: bytes | None) -> None:
        for found in self._http.receive(data):
            if isinstance(found, Request):
                self._busy = True
                if self._transport is not None:
                    self._transport.pause_reading()  # what comes meanwhile waits in the kernel
                if self._deadline is not None:
                    self._deadline.cancel()
                whole = replace(found, place=self._place, peer=self.peer, binding=self._binding)
                self._listener.work(whole).add_done_callback(self._answered)
            elif self._transport is not None:
                self._transport.write(found)
        if self._http.closing and not self._busy and self._transport is not None:
            self._transport.close()

    def _answered(self, future: asyncio.Future[Response]) -> None:
        self._busy = False
        if future.cancelled() or self._transport is None or self._transport.is_closing():
            return
        if (error := future.exception()) is not None:  # a bug of ours: said to who looks after it
            log.error("not answered", place=self._place, error=repr(error))
            response = Response(status=500, body="内部错误 Internal error\n".encode(), close=True)
        else:
            response = future.result()
        self._transport.write(self._http.answer(response))
        if self._http.closing:
            self._transport.close()
        else:
            self._wait(IDLE_S)
            self._transport.resume_reading()
            self._look(None)

    def _wait(self, seconds: float) -> None:
        """A whole request has to be there by then: drops of bytes do not move the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self.abort)
