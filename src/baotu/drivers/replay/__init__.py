"""Replay: plays recorded data sets through the same path as living machines."""

from baotu.sdk import DriverEntry

from .client import Client
from .recording import ADDRESS_HELP
from .spec import FileSpec, spec_for

DRIVER = DriverEntry(
    title="数据回放 Replay of recordings",
    summary=(
        "按设定的速度播放 CSV、文本或 Parquet 记录，与真实设备走同一条路径 "
        "Plays CSV, text or Parquet recordings at any speed, on the same path as living machines"
    ),
    client=Client,
    address_help=ADDRESS_HELP,
    kinds={"number": "number", "boolean": "boolean", "text": "text"},
)

__all__ = ["DRIVER", "FileSpec", "spec_for"]
