"""What was agreed: the relational store. It opens, locks and syncs; it knows no app."""

from __future__ import annotations

from .sqlite import SqliteStore

__all__ = ["SqliteStore"]
