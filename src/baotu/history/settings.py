"""What the owner of a plant may decide about its history."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk.settings import setting

MB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class HistorySettings:
    """The `[history]` table of the configuration file."""

    memory_mb: int = setting(
        80, title="数据库内存上限 Most memory of the database", unit="MBy", low=64, high=65536
    )
    seal_rows: int = setting(
        8_000_000, title="热表行数上限 Rows of hot tables before they are sealed", low=1_000
    )
    threads: int = setting(
        1, title="每个查询的线程数 Threads of one query", low=1, high=64
    )  # a read runs on its caller's thread, the keeper on its own, niced one
    checkpoint_mb: int = setting(
        4, title="写前日志上限 Write-ahead log before a checkpoint", unit="MBy", low=1, high=1024
    )
    raw_days: float = setting(
        0, title="原始数据保留天数，0 为永久 Days raw samples are kept, 0 for ever", unit="d", low=0
    )
    minute_days: float = setting(
        0, title="分钟汇总保留天数 Days minute rollups are kept, 0 for ever", unit="d", low=0
    )
    hour_days: float = setting(
        0, title="小时汇总保留天数 Days hour rollups are kept, 0 for ever", unit="d", low=0
    )
    fan: int = setting(
        8, title="多少段合并一次 Segments of a level that are merged into one", low=2, high=64
    )
    keep_every_s: float = setting(
        1.0, title="维护周期 Period of the maintenance", unit="s", low=0.01, high=3600
    )
    duty: float = setting(
        0.5, title="合并的时间占比 Share of the time merging may take", low=0.01, high=1
    )

    @property
    def main_bytes(self) -> int:
        """What appending, reading and sorting share: DuckDB fills it with what was read, whatever it
        is, so all of it counts as resident."""
        return self.memory_mb * MB * 9 // 20

    @property
    def workshop_bytes(self) -> int:
        """What sealing, merging and exporting have for themselves: an append never lacks it."""
        return self.memory_mb * MB * 11 // 20

    @property
    def table_rows(self) -> int:
        """Of one hot table: a read scans the one that is not sorted yet, at some 5 ns a row and
        thread; what is not sorted yet should stay in main_bytes (21 bytes a row)."""
        return max(1, min(self.seal_rows // 16, self.main_bytes // 72))

    @property
    def piece_rows(self) -> int:
        """Samples that the workshop sorts at once: about twice its memory, the rest on disk."""
        return max(100_000, min(8_000_000, self.workshop_bytes // 20))

    @property
    def rollup_rows(self) -> int:
        """Rows of rollups it makes at once: one is some 500 bytes while it is grouped and sorted,
        and grouping does not always spill (4 times as many ran out of memory)."""
        return max(10_000, self.workshop_bytes // 1024)
