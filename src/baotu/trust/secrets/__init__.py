"""Secrets by reference: a name in the configuration, the value sealed in a store of its own.

A value leaves the store at the moment of use and is never part of an answer, a log, an audit
record or a configuration. `Scrubber` is the second line of defence, not the first.
"""

from .resolve import Resolver
from .scrub import Scrubber
from .settings import SecretsSettings
from .vault import Kept, Secrets, Vault

__all__ = ["Kept", "Resolver", "Scrubber", "Secrets", "SecretsSettings", "Vault"]
