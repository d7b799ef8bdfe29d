"""Revocation status over plain HTTP, without a socket: lists, OCSP, the authority's certificates.

Plain on purpose: whoever checks a certificate cannot use TLS for it (RFC 5280 8). All is signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .authority import Authority, Issuer, der
from .crl import Lists
from .http import Request, Response
from .ocsp import Responder, from_path

FILE = re.compile(r"/issuing-([0-9]{1,6})\.(crl|crt)")
CERTIFICATE = "application/pkix-cert"
FRESH = (("cache-control", "max-age=0, must-revalidate"),)  # a revocation is told at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Safe to call from any thread; never raises for what a client sent."""

    authority: Authority
    lists: Lists
    responder: Responder

    def handle(self, request: Request) -> Response:
        if request.path == "/ocsp" or request.path.startswith("/ocsp/"):
            return self._ocsp(request)
        if request.method != "GET":
            return Response(status=405, body="请用 GET Use GET\n".encode())
        if request.path == "/root.crt":
            return Response(body=der(self.authority.root), type=CERTIFICATE)
        found = FILE.fullmatch(request.path)
        issuer = self._issuer(int(found[1])) if found else None
        if found is None or issuer is None:
            return Response(
                status=404, body="没有这个地址 There is nothing at this address\n".encode()
            )
        if found[2] == "crt":
            return Response(body=der(issuer.certificate), type=CERTIFICATE)
        return Response(body=self.lists.get(issuer), type="application/pkix-crl", headers=FRESH)

    def _issuer(self, number: int) -> Issuer | None:
        return next((i for i in self.authority.issuers if i.number == number), None)

    def _ocsp(self, request: Request) -> Response:
        if request.method == "POST":
            asked: bytes | None = request.body
        elif request.method == "GET":
            asked = from_path(request.path.removeprefix("/ocsp"))
        else:
            return Response(status=405, body="请用 GET 或 POST Use GET or POST\n".encode())
        answer = self.responder.answer(asked or b"")
        return Response(body=answer, type="application/ocsp-response", headers=FRESH)
