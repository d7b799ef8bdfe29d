"""Policy: who may do what, decided by Cedar policies; organisations and what they share."""

from .engine import CedarPolicy

__all__ = ["CedarPolicy"]
