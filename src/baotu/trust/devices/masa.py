"""The registrar's way to the makers' authorities (RFC 8995 5.5): one HTTPS request, few at a time.

A maker's authority that is slow must not hold all who enrol: what comes meanwhile has to ask again.
"""

from __future__ import annotations

import threading

from baotu.kernel.effects import Chain
from baotu.sdk import Refused

from . import client, voucher
from .refusal import Refusal

AT_ONCE = 2  # of the listener's workers
READ = (
    "SELECT masa, masa_pem FROM devices_manufacturer "
    "WHERE organisation = ? AND name = ? AND masa <> ''"
)


class MakersAuthorities:
    """Callable as `brski.Ask`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def __call__(self, organisation: str, maker: str, request: bytes) -> bytes:
        rows = self._chain.store.ask(READ, (organisation, maker))
        if not rows:
            raise Refusal(
                "closed",
                "这个厂商没有登记凭单服务 No voucher authority is registered for this maker",
            )
        if not self._free.acquire(blocking=False):
            raise Refusal("busy", "正在问别的厂商，请再试 Other makers are being asked: try again")
        try:
            url, trusted = rows[0]
            answer = client.ask(
                "POST", f"{str(url).rstrip('/')}{voucher.ROOM}/requestvoucher",
                client.trusting(str(trusted)), request,
                {"content-type": voucher.TYPE, "accept": voucher.TYPE},
            )  # fmt: skip
        finally:
            self._free.release()
        if answer.status != 200:
            said = answer.body[:200].decode("utf-8", "replace")
            raise Refused(f"厂商拒绝：{said} The maker refuses: {said}", code=answer.status)
        return answer.body
