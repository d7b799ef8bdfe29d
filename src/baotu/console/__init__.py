"""The console: HTTP API, live channel and pages. It stands on the SDK alone, as an outside one could.

It translates and draws; it decides nothing: every change goes through the `Door`.
"""

from .spare import when_used

# NiceGUI's Socket.IO has a client, which no server needs: 6 MB, and 0.15 s of the start
when_used("aiohttp")

from .app import build  # noqa: E402
from .limits import Limits  # noqa: E402
from .rooms import Rooms  # noqa: E402

__all__ = ["Limits", "Rooms", "build"]
