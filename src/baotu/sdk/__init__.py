"""Everything a driver or an app may see. Nothing else is public."""

from . import view
from .app import (
    App,
    Call,
    Caller,
    Window,
    command,
    derived,
    every,
    page,
    parameter,
    query,
    result,
    stream,
)
from .asset import Asset, AssetType, Property
from .driver import (
    DriverEntry,
    Endpoint,
    Feed,
    Line,
    PolledDriver,
    Request,
    ServingDriver,
    SessionDriver,
    StoreAndForward,
)
from .errors import (
    Anonymous,
    BaotuError,
    ConfigError,
    Conflict,
    Denied,
    Invalid,
    Malformed,
    Refused,
    Unreachable,
)
from .facts import Alarm, Event, Evidence, Fact, Facts, Job, Priority, Write
from .quality import Quality
from .records import Records, Table, money, refers
from .samples import Samples, nanoseconds
from .settings import setting
from .signal import Edge, Hysteresis, per_tag
from .tag import Found, Tag
from .trust import Decision, Resource
from .writing import Peer

__all__ = [
    "Alarm", "Anonymous", "App", "Asset", "AssetType", "BaotuError", "Call", "Caller", "ConfigError", "Conflict", "Decision",
    "Denied", "DriverEntry", "Edge", "Endpoint", "Event", "Evidence", "Fact", "Facts", "Feed",
    "Found", "Hysteresis", "Invalid", "Job", "Line", "Malformed", "Peer", "PolledDriver", "Priority",
    "Property", "Quality", "Records", "Refused", "Request", "Resource", "Samples", "ServingDriver",
    "SessionDriver", "StoreAndForward", "Table", "Tag", "Unreachable", "Window", "Write", "command", "derived",
    "every", "money", "nanoseconds", "page", "parameter", "per_tag", "query", "refers", "result",
    "setting", "stream", "view",
]  # fmt: skip
