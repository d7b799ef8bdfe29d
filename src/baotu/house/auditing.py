"""The tamper-evident audit of a hub: its folder, its key, its thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from baotu.kernel.effects import Chain
from baotu.sdk import ConfigError
from baotu.sdk.ports import Board
from baotu.trust.audit.formats import Damaged
from baotu.trust.audit.keys import kept
from baotu.trust.audit.settings import AuditSettings
from baotu.trust.audit.watch import Watch

FOLDER, LOG, KEY = "audit", "log", "key"


def audit_watch(
    settings: AuditSettings,
    data: Path,
    node: str,
    organisation: str,
    chain: Chain,
    board: Board,
    covered: Callable[[], int] = lambda: 0,
) -> Watch:
    """Not yet started. The private key lies beside the log, not in it: what is copied holds none.

    covered: how many records of the log a verified backup holds. Raises ConfigError when the key file holds no key.
    """
    folder = data / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    try:
        signer = kept(folder / KEY, f"{organisation}/{node}")
    except (Damaged, ValueError) as error:
        hint = "put the right one back from a backup; or move the folder away to begin a new log"
        raise ConfigError(str(error), str(folder / KEY), hint) from None
    return Watch(
        chain, board, folder / LOG, signer, organisation, keep_days=settings.keep_days,
        covered=covered,
    )  # fmt: skip
