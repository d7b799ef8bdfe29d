"""Backups: encrypted, incremental, chained; and the proof that they can be restored."""
