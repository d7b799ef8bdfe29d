"""What a schedule has to do: one handler for one asset."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk import Asset

from .handlers import Handler

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Duty:
    """One handler for one asset: its inputs by property, its outputs by property."""

    handler: Handler
    asset: Asset
    organisation: str
    inputs: dict[str, int]
    out: dict[str, int]

    @property
    def key(self) -> tuple[str, str, str, str]:
        verb = self.handler.verb
        return self.organisation, verb.app, verb.name, self.asset.path

    @property
    def period(self) -> int:
        return round(self.handler.mark.every_s * SECOND)
