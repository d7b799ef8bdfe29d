"""Which store: the embedded file, or PostgreSQL where the configuration names one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from baotu.sdk.errors import ConfigError

from .base import PooledStore
from .settings import RecordsSettings
from .sqlite import SqliteStore

if TYPE_CHECKING:
    from .postgres import PostgresStore

FILE = "records.db"


def open_store(settings: RecordsSettings, folder: Path) -> PooledStore:
    """folder: of the node's data, for the embedded file.

    Raises ConfigError when the extra is not installed or no password can be read, Unreachable
    when the server does not answer or does not let us in.
    """
    if not settings.url:
        return SqliteStore(folder / FILE, settings.readers)
    return _postgres()(
        settings.url,
        settings.readers,
        password=settings.revealed(),
        connect_s=settings.connect_s,
        wait_s=settings.wait_s,
    )


def look(settings: RecordsSettings) -> Mapping[str, str]:
    """What a PostgreSQL server says of itself: see `postgres.look`. Raises like `open_store`."""
    _postgres()
    from .postgres import look as look_at

    return look_at(settings.url, settings.revealed(), settings.connect_s)


def _postgres() -> type[PostgresStore]:
    try:
        from .postgres import PostgresStore
    except ImportError as missing:
        raise ConfigError(
            f"records are to be in PostgreSQL, but its client is not installed ({missing.name})",
            "[records] url",
            "pip install 'baotu[postgres]'",
        ) from None
    return PostgresStore
