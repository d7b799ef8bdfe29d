"""Status codes and broken connections in words: which of our errors they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from asyncua import ua
from asyncua.crypto.uacrypto import InvalidSignature

from baotu.sdk import BaotuError, Malformed, Quality, Refused, Unreachable
from baotu.sdk.quality import from_status

_HINTS = {
    "BadUserAccessDenied": "check user and password, and what the user may do",
    "BadIdentityTokenRejected": "the server does not take this user, or wants another policy",
    "BadIdentityTokenInvalid": "check user and password",
    "BadCertificateUntrusted": "let the server trust our certificate: own/certificate.der",
    "BadSecurityChecksFailed": "let the server trust our certificate: own/certificate.der",
    "BadCertificateUriInvalid": "application_uri must be that of our certificate",
    "BadSecurityModeRejected": "the server wants another security setting",
    "BadSecurityPolicyRejected": "the server wants another policy setting",
    "BadTooManySessions": "close other clients of the server",
    "BadTooManySubscriptions": "close other clients of the server",
}

# Codes of a node or item that say more than their severity (OPC 10000-4, 7.39.2)
_REASONS = {
    "BadNodeIdUnknown": Quality.BAD_ADDRESS_UNKNOWN,
    "BadNodeIdInvalid": Quality.BAD_ADDRESS_UNKNOWN,
    "BadAttributeIdInvalid": Quality.BAD_ADDRESS_UNKNOWN,
    "BadIndexRangeInvalid": Quality.BAD_ADDRESS_UNKNOWN,
    "BadIndexRangeNoData": Quality.BAD_ADDRESS_UNKNOWN,
    "BadNotReadable": Quality.BAD_ACCESS_DENIED,
    "BadUserAccessDenied": Quality.BAD_ACCESS_DENIED,
    "BadTooManyMonitoredItems": Quality.BAD_OUT_OF_SERVICE,
}

# Of what it reads the library checks little: this is what its decoders raise
NONSENSE = (
    ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError,
    RecursionError, struct.error,
)  # fmt: skip


def name_of(code: int) -> str:
    """`BadNodeIdUnknown` for 0x80340000; the number itself when it has no name."""
    found = ua.status_codes.code_to_name_doc.get(code & 0xFFFF0000)
    return str(found[0]) if found else f"{code:#010x}"


def quality_of(code: int) -> Quality:
    return _REASONS.get(name_of(code), from_status(code))


def refused(code: int, what: str) -> Refused:
    name = name_of(code)
    hint = _HINTS.get(name)
    return Refused(f"{what}: {name}" + (f" ({hint})" if hint else ""), code)


@contextmanager
def reaching(where: str, doing: str) -> Iterator[None]:
    """Whatever goes wrong with the connection inside becomes Unreachable, in words; an answer that
    the library cannot read, or that does not fit what was asked, becomes Malformed."""
    try:
        yield
    except ua.UaStatusCodeError as error:
        name = name_of(error.code)
        hint = _HINTS.get(name, "the session is over; it will be opened again")
        raise Unreachable(f"{where}: {doing} failed: {name} ({hint})") from error
    except TimeoutError as error:
        raise Unreachable(f"{where}: {doing} had no answer in time") from error
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise Unreachable(f"{where}: {doing} failed: {why}") from error
    except InvalidSignature as error:
        raise Unreachable(f"{where}: {doing} failed: a signature is wrong") from error
    except ua.UaError as error:
        raise Unreachable(f"{where}: {doing} failed: {error}") from error
    except BaotuError:
        raise
    except NONSENSE as error:
        raise Malformed(f"{where}: {doing}: the answer makes no sense: {error!r}") from error
