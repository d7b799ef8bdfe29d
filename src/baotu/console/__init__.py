"""The console: HTTP API, live channel and pages. It stands on the SDK alone, as an outside one could.

It translates and draws; it decides nothing: every change goes through the `Door`.
"""

from .app import build
from .rooms import Rooms

__all__ = ["Rooms", "build"]
