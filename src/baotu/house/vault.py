"""The secrets of a node: which suite, which key, which file; and who may look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from baotu.sdk import Invalid
from baotu.sdk.secret import Secret
from baotu.trust.secrets import Resolver, Scrubber, Secrets, Vault

from .control import ask, node_folder, running
from .file import HouseConfig, load
from .settings import Basics

STORE = Path("trust") / "secrets" / "secrets.json"


def store_of(basics: Basics) -> Vault:
    """The store of the node whose data folder this is. Opens and makes nothing yet."""
    path = basics.node.data / STORE

    def make() -> Secrets:
        from baotu.trust.primitives import suite
        from baotu.trust.secrets.keys import found_keys
        from baotu.trust.secrets.store import SecretStore

        chosen = suite(basics.trust.suite)
        phrase = basics.secrets.passphrase_file
        keys = found_keys(chosen, Path(basics.secrets.key_file), Path(phrase) if phrase else None)
        return SecretStore(path, chosen, keys, basics.secrets.versions)

    return Vault(path, make)


def resolver_of(config: HouseConfig, scrubber: Scrubber) -> Resolver:
    return Resolver(store_of(config.basics), scrubber)


def deed(store: Secrets, do: str, arguments: Mapping[str, Any]) -> Any:
    """What the app Secrets does, for a node without apps: set, remove, rotate, names."""
    if do == "set":
        return store.set(arguments["name"], Secret(arguments["value"]), "local")
    if do == "remove":
        return store.remove(arguments["name"])
    if do == "rotate":
        return store.rotate()
    if do == "names":
        return [asdict(kept) for kept in store.names()]
    raise Invalid("do", f"{do!r} is nothing that is done with secrets")


def secrets(config: Path, data: Path | None, do: str, **arguments: str) -> Any:
    """For the engineer at the machine: through the node while it works, on its store when not.

    The value goes through the node's own socket or straight into the store, never into an argument
    list. Raises ConfigError, Invalid; RuntimeError with the node's refusal.
    """
    loaded = load(config, data=node_folder(data) if data else None)
    folder = loaded.basics.node.data
    if running(folder):
        return ask(folder, "secret", what={"do": do, **arguments})
    return deed(store_of(loaded.basics), do, arguments)
