"""What was agreed: the relational store. It opens, locks and syncs; it knows no app."""

from __future__ import annotations

from .choice import FILE, look, open_store
from .settings import RecordsSettings, plainly
from .sqlite import SqliteStore

__all__ = ["FILE", "RecordsSettings", "SqliteStore", "look", "open_store", "plainly"]
