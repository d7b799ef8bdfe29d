"""Enrolments a second over TLS with a key each, and 10,000 bad credentials of which none may pass.

Each client is a connection of its own: TCP, TLS 1.3 with the server verified, one-time token, request
signed with its own key, certificate back. Keys and requests are made before, as devices make their
own; the clients' half of TLS is in the figure, in two processes on the same cores. The register is
on disk and every enrolment is synced before it is answered. Each figure is the median of the rounds.
`python benchmarks/est.py [--json] [--quick] [--enrolments 600] [--rounds 5] [--bad 10000]`
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _est import ENROL, Bad, Hub, attack, certificate, csr, exchange, message

from baotu.trust.devices import client
from baotu.trust.devices.keys import digest_of, make_key
from baotu.trust.devices.ticket import Ticket

PROCESSES, THREADS = 2, 8


def devices(port: int, tickets: Sequence[Ticket], begin: Any, out: Any) -> None:
    """Many devices in a process of their own; tells when the last was answered."""
    secure = client.trusting(tickets[0].root)
    keys = [make_key() for _ in tickets]
    posts = [message(ENROL, csr(k, t.device), t) for k, t in zip(keys, tickets, strict=True)]
    waits: list[float] = []

    def one(number: int) -> bytes:
        start = time.monotonic()
        status, body = exchange(port, secure, posts[number])
        waits.append(time.monotonic() - start)
        return body if status == 200 else b""

    with ThreadPoolExecutor(THREADS) as pool:
        begin.wait()
        first, before = time.monotonic(), time.process_time()
        bodies = list(pool.map(one, range(len(posts))))
        last, cpu = time.monotonic(), time.process_time() - before
    good = sum(
        bool(body) and digest_of(certificate(body).public_key()) == digest_of(key.public_key())
        for key, body in zip(keys, bodies, strict=True)
    )
    out.put((good, first, last, waits, cpu))


def measured(hub: Hub, round_: int, enrolments: int) -> dict[str, float]:
    tickets = hub.admit(*(f"r{round_}-{n}" for n in range(enrolments)))
    spawn = multiprocessing.get_context("spawn")
    begin, out = spawn.Barrier(PROCESSES), spawn.Queue()
    workers = [
        spawn.Process(target=devices, args=(hub.trust.est_port, tickets[n::PROCESSES], begin, out))
        for n in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    before = time.process_time()
    told = [out.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    cpu = time.process_time() - before
    took = max(row[2] for row in told) - min(row[1] for row in told)
    good, waits = sum(row[0] for row in told), sorted(w for row in told for w in row[3])
    if good != enrolments:
        raise AssertionError(f"{enrolments - good} of {enrolments} enrolments failed")
    theirs = sum(row[4] for row in told)
    return {
        "per_s": good / took, "server_cpu_ms": cpu / good * 1e3,
        "clients_cpu_ms": theirs / good * 1e3, "cores_at_100_per_s": (cpu + theirs) / good * 100,
        "p50_ms": waits[len(waits) // 2] * 1e3, "p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
    }  # fmt: skip


def cut(hub: Hub, sessions: int) -> list[float]:
    """Milliseconds from asking for a revocation to the end of the device's live session."""
    found = []
    for number in range(sessions):
        [ticket] = hub.admit(f"cut-{number}")
        key, plain = make_key(), client.trusting(hub.trust.here().root)
        _, body = exchange(
            hub.trust.est_port, plain, message(ENROL, csr(key, ticket.device), ticket)
        )
        secure = Bad.showing_as(hub, f"cut-{number}", key, certificate(body))
        with (
            socket.create_connection(("::1", hub.trust.est_port), timeout=60) as raw,
            secure.wrap_socket(raw, server_hostname="::1") as line,
        ):
            line.sendall(b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            if not line.recv(100).startswith(b"HTTP/1.1 200"):
                raise AssertionError("the session does not live")
            begin = time.monotonic()
            hub.do("revoke", name=ticket.device)
            with contextlib.suppress(OSError):
                while line.recv(65536):
                    pass
            found.append((time.monotonic() - begin) * 1e3)
    return found


def run(enrolments: int, rounds: int, bad: int, quick: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        hub = Hub(Path(folder))
        try:
            rows = [measured(hub, n, enrolments) for n in range(rounds)]
            ends = sorted(cut(hub, 10 if quick else 50))
            begin = time.monotonic()
            outcome = attack(hub, bad)
            took = time.monotonic() - begin
        finally:
            hub.close()
    middle = {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}
    figures = {
        "enrolment": middle | {"per_s_of": [round(row["per_s"]) for row in rows]},
        "revocation": {
            "sessions": len(ends), "median_ms": round(statistics.median(ends), 1),
            "slowest_ms": round(ends[-1], 1),
        },
        "bad credentials": {
            "attempts": outcome.attempts, "kinds": len(outcome.answers), "seconds": round(took),
            "accepted": outcome.accepted, "certificates": outcome.issued,
            "the token used only with bad requests is good afterwards": outcome.still_good,
            "answers": {
                kind: ", ".join(f"{s or 'TLS'}: {n}" for s, n in sorted(rows_.items()))
                for kind, rows_ in outcome.answers.items()
            },
        },
    }  # fmt: skip
    accepted = max(outcome.accepted, outcome.issued)
    bars = [
        {"what": "EST enrolments with unique keys, /s", "figure": middle["per_s"], "bar": ">= 100",
         "quick": quick, "met": middle["per_s"] >= 100},
        {"what": "revocation to the end of a live session, slowest, ms", "figure": round(ends[-1], 1),
         "bar": "<= 1000", "quick": quick, "met": ends[-1] <= 1000},
        {"what": f"bad credentials accepted, of {outcome.attempts}", "figure": accepted, "bar": "0",
         "quick": quick, "met": accepted == 0 and outcome.still_good},
    ]  # fmt: skip
    return {"name": "est", "figures": figures, "bars": bars}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", action="store_true")
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--enrolments", type=int, default=600)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--bad", type=int, default=10_000)
    options = asked.parse_args()
    if options.quick:
        options.enrolments, options.rounds, options.bad = 100, 2, 500
    found = run(options.enrolments, options.rounds, options.bad, options.quick)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for bar in found["bars"]:
        print(f"{'✓' if bar['met'] else '✗'} {bar['what']}: {bar['figure']} ({bar['bar']})")
    print(json.dumps(found["figures"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
