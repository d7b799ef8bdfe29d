"""The chain: one transaction, savepoints, keys, groups, audit, watchers, events."""

from __future__ import annotations

import threading
from typing import Annotated

import pytest
from sqlalchemy import UniqueConstraint, func, select
from sqlalchemy.orm import Mapped

from baotu.bench import Bench
from baotu.sdk import (
    App,
    Call,
    Caller,
    ConfigError,
    Conflict,
    Denied,
    Event,
    Evidence,
    Facts,
    Invalid,
    Records,
    Table,
    command,
    query,
)
from baotu.sdk.health import Health


class Coin(Table):
    __table_args__ = (UniqueConstraint("organisation", "name"),)
    name: Mapped[str]


class Coins(App):
    """Collects coins."""

    tables = (Coin,)

    @command(permission="coins.add", title="加 Add")
    def add(self, records: Records, name: Annotated[str, "名 Name"]) -> Facts[int]:
        coin = records.put(Coin(name=name))
        yield Event("coins.added", {"coin": coin.id})
        if name == "false":
            raise Conflict("name", "is false")
        if name == "bug":
            raise ZeroDivisionError("no coin")
        return coin.id

    @command(permission="coins.add", title="证 Prove")
    def prove(self) -> Facts[None]:
        yield Evidence("2.0", "能证 It proves", {"coins": 1}, page="/coins")

    @query(title="数 Count")
    def count(self, records: Records) -> int:
        return records.scalar(select(func.count(Coin.id))) or 0

    @query(title="钟 Clock")
    def clock(self, call: Call) -> str:
        return call.now.isoformat()

    @query(title="慢 Slow")
    def slow(self, records: Records) -> int:
        self.entered.set()
        assert self.leave.wait(10)
        return 1

    def start(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()


@pytest.fixture
def bench() -> Bench:
    return Bench(Coins())


def outcomes(bench: Bench) -> list[str]:
    return [row[4] for row in bench.dump()["ledger_audit_record"]]


def test_a_refused_command_leaves_nothing_but_its_audit_record(bench):
    with pytest.raises(Conflict, match="name: is false"):
        bench.do("add", name="false")
    rows = bench.dump()
    assert (rows["test_chain_coin"], rows["ledger_outbox"], rows["ledger_receipt"]) == ([], [], [])
    assert outcomes(bench) == ["conflict"]


def test_a_wrong_argument_names_the_field_and_leaves_no_trace(bench):
    with pytest.raises(Invalid) as wrong:
        bench.do("add", nam="x")
    assert wrong.value.field in ("name", "nam")
    assert outcomes(bench) == []


def test_a_value_that_must_be_unique_is_a_conflict_that_names_it(bench):
    bench.do("add", name="crown")
    with pytest.raises(Conflict) as twice:
        bench.do("add", name="crown")
    assert twice.value.field == "name"
    assert bench.ask("count") == 1


def test_the_same_key_has_one_effect_and_other_arguments_are_refused(bench):
    assert bench.do("add", _key="k", name="a") == bench.do("add", _key="k", name="a")
    assert bench.ask("count") == 1
    with pytest.raises(Conflict, match="used before"):
        bench.do("add", _key="k", name="b")


def test_keys_of_one_group_are_seen_before_the_commit(bench):
    replies = together(bench, [("k", "a")] * 6)
    assert len(set(replies)) == 1
    assert bench.ask("count") == 1


def test_one_refusal_does_not_touch_the_others_of_its_group(bench):
    replies = together(bench, [("", f"c{n}" if n % 3 else "false") for n in range(9)])
    assert [isinstance(r, Conflict) for r in replies] == [n % 3 == 0 for n in range(9)]
    assert bench.ask("count") == 6
    assert sorted(outcomes(bench)) == ["conflict"] * 3 + ["done"] * 6


def together(bench: Bench, asks: list[tuple[str, str]]) -> list:
    """All at once, held back until the last has come, so that they share transactions."""
    replies: list = [None] * len(asks)

    def one(n: int) -> None:
        key, name = asks[n]
        try:
            replies[n] = bench.do("add", _key=key, name=name)
        except Exception as error:
            replies[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(asks))]
    with bench.store.writing():
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(10)
    return replies


def test_many_callers_each_get_their_own_answer(bench):
    replies = together(bench, [("", f"c{n}") for n in range(100)])
    assert sorted(replies) == list(range(1, 101))


def test_a_bug_is_audited_and_shown_on_the_app_with_the_authors_frames_only():
    board = Boarded()
    bench = Bench(Coins(), board=board)
    with pytest.raises(ZeroDivisionError):
        bench.do("add", name="bug")
    assert outcomes(bench) == ["bug"]
    assert (board.last.state, board.last.why) == ("degraded", "ZeroDivisionError: no coin")
    trace = str(board.last.figures["traceback"])
    assert "test_chain.py" in trace
    assert "effects.py" not in trace and "sqlalchemy" not in trace


def test_bugs_in_commands_stop_nothing_and_the_app_is_up_again_when_it_works():
    board = Boarded()
    bench = Bench(Coins(), board=board)
    for _ in range(7):
        with pytest.raises(ZeroDivisionError):
            bench.do("add", name="bug")
    assert not bench.chain.blame.stopped("coins")
    bench.do("add", name="good")
    assert (board.last.state, board.last.why) == ("up", "")


class Boarded:
    last: Health

    def healths(self, kind: str = "") -> list[Health]:
        return [self.last]

    def put(self, health: Health) -> None:
        self.last = health


def test_a_caller_without_the_permission_is_told_and_audited(bench):
    with pytest.raises(Denied, match=r"li may not coins\.add: needs coins\.add"):
        bench.as_other(permissions=frozenset()).do("add", name="a")
    with pytest.raises(Denied):
        bench.as_other(permissions=frozenset()).ask("count")
    assert outcomes(bench) == ["denied", "denied"]


def test_another_policy_decides():
    class Closed:
        def decide(self, caller: Caller, action: str, resource: object) -> None:
            raise Denied(f"{resource} is closed on Sundays")

    bench = Bench(Coins(), policy=Closed())
    with pytest.raises(Denied, match=r"coins\.count is closed on Sundays"):
        bench.ask("count")


def test_watchers_hear_tables_and_facts_after_the_commit_and_a_bad_one_is_dropped(bench):
    heard, calls = [], []

    def bad(change) -> None:
        calls.append(1)
        raise RuntimeError("not my day")

    bench.chain.watch(bad)
    bench.chain.watch(lambda change: heard.append((change.tables, bench.ask("count"))))
    bench.do("add", name="a")
    bench.do("add", name="b")
    assert heard == [({"test_chain_coin", "ledger_outbox"}, n) for n in (1, 2)]
    assert len(calls) == 1


def test_a_watcher_may_give_a_command_and_changes_are_told_in_order(bench):
    heard = []

    def follow(change) -> None:
        [event] = change.facts
        heard.append(event.data["coin"])
        if len(heard) < 3:
            bench.do("add", name=f"next {len(heard)}")
            assert len(heard) == event.data["coin"], "it is told when this one has ended"

    bench.chain.watch(follow)
    bench.do("add", name="first")
    assert heard == [1, 2, 3]


def test_events_are_read_from_a_place_of_ones_own(bench):
    for name in "abc":
        bench.do("add", name=name)
    first, second, third = bench.chain.events(0)
    assert (first.kind, first.data, first.app) == ("coins.added", {"coin": 1}, "coins")
    assert bench.chain.events(second.position) == [third]
    assert bench.chain.events(0, limit=1) == [first]


def test_evidence_keeps_the_newest_and_counts(bench):
    bench.do("prove")
    bench.clock.time += 10**9
    bench.do("prove")
    [row] = bench.dump()["ledger_evidence_row"]
    assert (row[0], row[-3]) == (bench.clock.time, 2)


def test_a_slow_question_does_not_stop_the_others(tmp_path):
    from baotu.kernel.clock import SystemClock
    from baotu.kernel.effects import Chain
    from baotu.records import SqliteStore

    app = Coins()
    chain = Chain(SqliteStore(tmp_path / "records.db"), SystemClock(), [app])
    who = Caller("li", "spring", frozenset({"coins.read", "coins.add"}))
    slow = threading.Thread(target=lambda: chain.call("coins", "slow", {}, who))
    slow.start()
    assert app.entered.wait(5)
    chain.call("coins", "add", {"name": "a"}, who)
    assert [chain.call("coins", "count", {}, who) for _ in range(20)] == [1] * 20
    app.leave.set()
    slow.join(5)
    assert not slow.is_alive()


def test_the_call_knows_the_clock(bench):
    assert bench.ask("clock") == "2026-06-01T08:00:00+00:00"


def test_two_apps_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two apps are called coins"):
        Bench(Coins(), Coins())


def test_a_handler_without_annotations_is_refused_with_what_to_write():
    class Bare(App):
        """Bare."""

        @command(permission="bare.go", title="走 Go")
        def go(self, speed) -> None: ...

    with pytest.raises(ConfigError, match=r"speed has no annotation \(write `speed: int`\)"):
        Bench(Bare())
