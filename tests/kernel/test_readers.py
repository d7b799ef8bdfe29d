"""What the kernel's own pages read: audit, the 25 elements."""

from __future__ import annotations

from baotu.bench import Bench
from baotu.kernel.alarm_app import Alarms
from baotu.kernel.audit import AuditReader
from baotu.kernel.evidence import EvidenceReader
from baotu.sdk import Evidence
from baotu.sdk.evidence import ASKS, ROWS
from baotu.sdk.view import in_language


def test_the_audit_is_read_newest_first_searched_and_paged():
    bench = Bench(Alarms())
    for n, name in enumerate(("wu", "li", "a%b")):
        bench.clock.time += 10**9
        bench.as_other(name=name).do("acknowledge_all", _key=str(n))
    audit = AuditReader(bench.store)
    assert [row.caller for row in audit.records()] == ["a%b", "li", "wu"]
    assert [row.caller for row in audit.records(search="LI done")] == ["li"]
    assert [row.caller for row in audit.records(search="%")] == ["a%b"]
    newest = audit.records(limit=1)[0]
    assert [row.caller for row in audit.records(before=newest.time)] == ["li", "wu"]
    assert (newest.verb, newest.permission) == ("alarms.acknowledge_all", "alarms.acknowledge")


def test_the_25_elements_show_what_was_proved_and_nothing_else():
    bench = Bench(Alarms())
    reader = EvidenceReader(bench.store)
    assert [row.proofs for row in reader.elements()] == [()] * 25
    claim = "已报警 Alarm raised"
    bench.say(Evidence("2.7", claim, {"alarms": 1}, page="/alarms"))
    bench.clock.time += 10**9
    bench.say(Evidence("2.7", claim, {"alarms": 2}, page="/alarms"))
    [shown] = [row for row in reader.elements() if row.proofs]
    [proof] = shown.proofs
    assert (shown.id, proof.by, proof.figures, proof.count) == ("2.7", "other", {"alarms": 2}, 2)
    assert proof.time == bench.clock.time


def test_every_element_says_what_it_asks_for_in_both_languages():
    assert list(ASKS) == [row[0] for row in ROWS]
    for text in ASKS.values():
        assert in_language(text, "zh") != in_language(text, "en")
