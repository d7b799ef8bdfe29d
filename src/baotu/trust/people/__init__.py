"""People: accounts, passwords, second factors, sessions, API tokens and one-time links.

Keeps no secret that could be used: passwords are argon2id hashes, sessions, tokens, links and
recovery codes are digests, the seeds of authenticator apps are sealed. Decides no permission.
"""

from __future__ import annotations

from .app import People
from .service import Service
from .settings import PeopleSettings

__all__ = ["People", "PeopleSettings", "Service"]
