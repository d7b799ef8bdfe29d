"""Connecting: by the address that was written, and by nobody's leave."""

import asyncio
import socket

from baotu.edge.transport import dial
from baotu.kernel.clock import SystemClock
from baotu.sdk import Endpoint


def test_an_address_is_dialled_while_the_resolver_hangs(monkeypatch):
    async def story():
        async def never(*_, **__):
            await asyncio.Event().wait()

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
        async with await asyncio.start_server(lambda r, w: w.close(), sock=listening()) as server:
            port = server.sockets[0].getsockname()[1]
            wire = await dial(Endpoint(host="::1", port=port, timeout_s=30), SystemClock())
            wire.close()

    asyncio.run(asyncio.wait_for(story(), 20))


def listening():
    line = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    line.bind(("::1", 0))
    return line
