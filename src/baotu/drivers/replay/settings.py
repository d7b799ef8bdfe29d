"""What a configuration file may say about a recording to be played."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baotu.sdk import ConfigError, setting

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": ""}
EPOCHS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A file with one row for each moment (or, transposed, one row for each signal)."""

    file: str = setting(
        path="config",
        title="记录文件 File: CSV, text in columns, or Parquet",
        example="recordings/pump.csv",
    )
    speed: float = setting(
        1.0, title="速度倍数 How many times faster than it was recorded", low=0.001, high=1e6
    )
    loop: bool = setting(False, title="循环播放 Begin again at the end")
    start: str = setting(
        "now",
        title="时间戳：now 从现在起，recorded 用记录的时间 Stamps: as if it happened now, or as recorded",
        choices=("now", "recorded"),
    )
    time: str = setting(
        "auto",
        title="时间列：列名、#列号、auto 或 none Column of time: its name, #number, auto or none",
    )
    time_format: str = setting(
        "auto",
        title="时间格式：auto、s、ms、us、ns 或 strptime Format: auto, epoch in s … ns, or like %d/%m/%Y %H:%M",
    )
    zone: str = setting("UTC", title="无时区时间的时区 Zone of times that name none")
    row_s: float = setting(
        1.0, title="无时间列时每行间隔 Time between rows without a column of time",
        unit="s", low=1e-6, high=1e6,
    )  # fmt: skip
    delimiter: str = setting(
        "auto", title="分隔符 What stands between cells",
        choices=("auto", *DELIMITERS),
    )  # fmt: skip
    header: str = setting(
        "auto", title="首行是否列名 Whether the first row names the columns",
        choices=("auto", "yes", "no"),
    )  # fmt: skip
    decimal: str = setting(".", title="小数点 Decimal sign", choices=(".", ","))
    encoding: str = setting("utf-8-sig", title="编码 Encoding", example="gb18030")
    transposed: bool = setting(
        False, title="行列互换：一行一个信号 One row for each signal instead of each moment"
    )
    gap_s: float = setting(
        0.0, title="最长空档，更长的缩短，0 不缩 Longest pause, longer ones are cut, 0: as recorded",
        unit="s", low=0, high=1e9,
    )  # fmt: skip

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(
                f"there is no time zone {self.zone!r}", "zone", "write UTC or Asia/Shanghai"
            ) from error
        if self.time_format not in ("auto", *EPOCHS) and "%" not in self.time_format:
            raise ConfigError(
                f"{self.time_format!r} is no format of time",
                "time_format",
                "write auto, s, ms, us, ns or a pattern like %d/%m/%Y %H:%M",
            )
