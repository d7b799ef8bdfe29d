"""Why a device was refused: one row for each reason, with what HTTP answers and who has to know."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk import Denied, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """status: of HTTP (RFC 7030 4.2.3). alarm: None where nobody has to act."""

    status: int
    alarm: Priority | None = None


REASONS: dict[str, Reason] = {
    "unknown": Reason(status=401, alarm=Priority.MEDIUM),  # nobody we know, or a foreign issuer
    "unnamed": Reason(status=401),  # nothing was shown: the first request of many clients
    "token": Reason(status=401, alarm=Priority.MEDIUM),  # expired, withdrawn, of another device
    "replayed": Reason(status=401, alarm=Priority.HIGH),  # a one-time token for the second time
    "cloned": Reason(status=403, alarm=Priority.HIGH),
    "expired": Reason(status=403, alarm=Priority.MEDIUM),
    "early": Reason(status=403, alarm=Priority.MEDIUM),  # not valid yet
    "revoked": Reason(status=403, alarm=Priority.HIGH),
    "owner": Reason(status=403, alarm=Priority.HIGH),  # of another organisation
    "usage": Reason(status=403, alarm=Priority.MEDIUM),  # a certificate for something else
    "state": Reason(status=403, alarm=Priority.MEDIUM),  # retired, or not admitted
    "subject": Reason(status=400, alarm=Priority.MEDIUM),  # asks for another's name
    "signature": Reason(status=400),
    "key": Reason(status=400),  # weak, or of a kind we do not take
    "request": Reason(status=400),  # cannot be read
    "waiting": Reason(status=202),  # somebody has to admit it first
    "often": Reason(status=429),
    "closed": Reason(status=403),  # what this server does not do at all
    "path": Reason(status=404),
    "method": Reason(status=405),
    "large": Reason(status=413),
    "busy": Reason(status=503),
}


class Refusal(Denied):
    """The device is told why; the audit keeps it; where somebody has to act, an alarm is raised.

    device: whom it concerns, when that is somebody we know.
    """

    def __init__(self, kind: str, why: str, *, device: str = "", organisation: str = "") -> None:
        super().__init__(why)
        self.kind, self.device, self.organisation = kind, device, organisation

    @property
    def reason(self) -> Reason:
        return REASONS[self.kind]
