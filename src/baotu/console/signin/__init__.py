"""Signing in, being welcomed, and one's own account: API routes and pages."""

from __future__ import annotations

from .pages import install
from .routes import routes

__all__ = ["install", "routes"]
