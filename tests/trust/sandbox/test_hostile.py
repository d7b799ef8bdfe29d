"""Apps that mean harm: each is contained by every kind of machine, told to the audit, and nobody
else notices. What an attack brought is what the app itself reports."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from baotu.kernel.sandbox.manifest import Manifest, Offer, checked
from baotu.kernel.sandbox.remote import DEATHS, Bounds, Fault
from baotu.kernel.sandbox.source import examine
from baotu.sdk import Alarm, ConfigError, Denied, Samples, Write
from baotu.trust.sandbox.calls import number
from baotu.trust.sandbox.seccomp import HOSTILE

from .house import HERE, SECOND, source

LONG = Bounds(call_s=60.0)
SHORT = Bounds(call_s=1.0)
REFUSED = {
    "PermissionError",
    "FileNotFoundError",
    "OSError",
    "NotADirectoryError",
    "BlockingIOError",
}


def contained(found: dict[str, str]) -> None:
    got = {name: what for name, what in found.items() if what not in REFUSED}
    assert not got, got


# -- files ------------------------------------------------------------------------------------
def test_it_sees_no_file_but_python_and_itself(launcher, made, tmp_path):
    (tmp_path / "assets.db").write_bytes(b"secret")
    one = made(launcher, "hostile/files", LONG)
    found = one.ask("snoop", data=str(tmp_path))
    environment = set(found.pop("environment").split(","))

    contained(found)
    assert environment <= {
        "LANG",
        "PATH",
        "TZ",
        "LC_CTYPE",
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
    }
    assert any("/etc/passwd" in why for why in one.audit("noted"))
    one.undisturbed()


def test_it_cannot_change_its_code_nor_anybody_elses(launcher, made):
    one = made(launcher, "hostile/files", LONG)
    before = (HERE / "hostile/files.py").read_bytes()

    contained(one.do("change"))
    assert (HERE / "hostile/files.py").read_bytes() == before
    assert not Path(os.__file__).with_name("evil.py").exists()
    one.undisturbed()


# -- the system -------------------------------------------------------------------------------
def test_it_opens_no_socket_of_any_kind(launcher, made):
    one = made(launcher, "hostile/calls", LONG)
    found = one.do("sockets")

    assert found.pop("name") in (*REFUSED, "gaierror")
    contained(found)
    assert any("socket" in why for why in one.audit("noted"))
    one.undisturbed()


def test_it_starts_no_process_no_program_no_thread_and_signals_nobody(launcher, made):
    one = made(launcher, "hostile/calls", LONG)
    found = one.do("processes")

    assert found.pop("thread") == "RuntimeError"  # can't start new thread
    contained(found)
    assert any("fork" in why for why in one.audit("noted"))
    one.undisturbed()


@pytest.mark.parametrize("name", ["fork", "vfork", "clone", "socket", "memfd_create", "kill", "execve", "prctl", "ioctl", "sendmsg"])  # fmt: skip
def test_what_is_not_on_the_list_is_not_permitted(best, made, name):
    numbers = {"fork": 57, "vfork": 58, "socket": 41, "memfd_create": 319, "kill": 62, "execve": 59, "prctl": 157, "ioctl": 16, "sendmsg": 46, "clone": 56}  # fmt: skip
    if os.uname().machine != "x86_64":
        pytest.skip("numbers of x86_64")
    one = made(best, "hostile/calls", LONG)

    assert one.do("raw", number=numbers[name], one=1 if name == "kill" else 0) == -errno.EPERM
    one.undisturbed()


def test_a_filter_of_another_instruction_set_does_not_let_it_through(best, made):
    """x32: the same calls under other numbers."""
    if os.uname().machine != "x86_64":
        pytest.skip("only x86_64 has x32")
    one = made(best, "hostile/calls", LONG)
    with pytest.raises(Fault, match="SIGSYS"):
        one.do("raw", number=0x40000000 + 41, one=10, two=1)
    one.undisturbed()


@pytest.mark.parametrize("name", [n for n in HOSTILE if number(n) >= 0])
def test_what_no_innocent_program_asks_for_ends_it(best, made, name):
    one = made(best, "hostile/calls", LONG)
    with pytest.raises(Fault, match=r"ended in the middle of a call .*SIGSYS"):
        one.do("raw", number=number(name))

    assert any("SIGSYS" in why for why in one.audit("killed"))
    one.undisturbed()


def test_it_sends_no_signal_by_owning_a_file(best, made):
    """F_SETOWN with F_SETSIG would send any signal to any process of the same user."""
    if os.uname().machine != "x86_64":
        pytest.skip("numbers of x86_64")
    one = made(best, "hostile/calls", LONG)

    assert one.do("raw", number=72, one=0, two=8, three=1) == -errno.EPERM
    assert one.do("raw", number=72, one=0, two=10, three=9) == -errno.EPERM
    assert one.do("raw", number=72, one=0, two=3) >= 0


def test_it_is_nobody_and_alone(launcher, made):
    one = made(launcher, "hostile/calls", LONG)
    who = one.do("who")

    if launcher.means().namespaces:
        assert (who["uid"], who["pid"], who["parent"]) == (65534, 1, 0)
    text = Path(f"/proc/{one.remotes[0].process.pid}/status").read_text()
    status = dict(line.split(":", 1) for line in text.splitlines())
    assert {status[f"Cap{one}"].strip() for one in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    if launcher.means().namespaces == "root":
        assert status["Uid"].split() == ["65534"] * 4


def test_it_is_in_namespaces_of_its_own(launcher, made):
    if not launcher.means().namespaces:
        pytest.skip("this kind of machine has none")
    one = made(launcher, "hostile/calls", LONG)
    one.do("who")
    pid = one.remotes[0].process.pid
    kinds = ("mnt", "net", "pid", "ipc", "uts", "cgroup")

    assert not [k for k in kinds if Path(f"/proc/{pid}/ns/{k}").readlink() == Path(f"/proc/self/ns/{k}").readlink()]  # fmt: skip


# -- what there is to take --------------------------------------------------------------------
@pytest.mark.parametrize("what", ["memory", "shared"])
def test_memory_ends_where_its_limit_is(launcher, made, what):
    one = made(launcher, "hostile/greedy", Bounds(call_s=60.0, memory_mb=64))
    with pytest.raises(Fault, match=r"MemoryError|OSError|SIG"):
        one.do(what)
    one.undisturbed()


def test_the_disk_ends_where_its_limit_is(launcher, made):
    one = made(launcher, "hostile/greedy", Bounds(call_s=60.0, scratch_mb=4))
    written = one.do("disk")

    assert written <= 4 << 20
    assert (written > 1 << 20) == bool(launcher.means().namespaces)
    assert not Path("/tmp/0").exists()
    one.undisturbed()


def test_descriptors_end(best, made):
    one = made(best, "hostile/greedy", LONG)

    assert 0 < one.do("descriptors") < 64
    one.undisturbed()


def test_a_call_that_never_ends_is_ended(launcher, made):
    one = made(launcher, "hostile/greedy", SHORT)
    began = time.monotonic()
    with pytest.raises(Fault, match=r"took longer than 1 s .*SIGKILL"):
        one.do("sleep")

    assert time.monotonic() - began < 30
    assert any("took longer" in why for why in one.audit("killed"))
    one.undisturbed()


def test_a_loop_in_a_stream_is_ended_and_the_streams_go_on(launcher, made):
    one = made(launcher, "hostile/greedy", SHORT, mode="loop")
    [error] = one.hear()

    assert "took longer than 1 s" in str(error)
    one.undisturbed()
    assert one.hear() == []  # it rests: nobody waits for it again at once
    assert one.streams.unseen == {"greedy": 1}


@pytest.mark.parametrize("mode", ["crash", "segfault"])
def test_one_that_keeps_dying_is_stopped_with_an_alarm(best, made, mode):
    one = made(best, "hostile/greedy", LONG, mode=mode)
    remote = one.remotes[0]
    for n in range(DEATHS):
        remote._next = 0.0  # the pause is over
        one.minder.tick()
        [error] = one.hear()
        assert "ended in the middle of a call" in str(error), n
        one.undisturbed()
    one.minder.tick()

    assert remote.stopped
    assert one.chain.blame.stopped("greedy")
    [alarm] = [f for f in one.alarms() if f.kind == "stopped"]
    assert "已停止 App stopped" in alarm.message
    assert one.chain.reach.board.healths("app")[-1].state == "down" or any(
        h.name == "greedy" and h.state == "down" for h in one.chain.reach.board.healths("app")
    )
    assert one.hear() == []
    one.undisturbed()


def test_a_pause_doubles_from_death_to_death(best, made):
    one = made(best, "hostile/greedy", LONG, mode="crash")
    remote, pauses = one.remotes[0], []
    for _ in range(3):
        remote._next = 0.0
        one.minder.tick()
        one.hear()
        pauses.append(remote._pause)

    assert pauses == [1.0, 2.0, 4.0]


def test_work_while_nobody_calls_is_found_and_ended(best, made):
    one = made(best, "hostile/greedy", LONG)
    assert one.do("secret") == 1
    until = time.monotonic() + 120
    while one.remotes[0].process is not None:
        assert time.monotonic() < until, one.minder.figures("greedy")
        one.minder.tick()
        threading.Event().wait(0.2)

    assert any("worked while nobody called it" in why for why in one.audit("killed"))
    one.undisturbed()


def test_nothing_is_left_behind(best, made):
    one = made(best, "hostile/calls", LONG)
    one.do("processes")
    pid = one.remotes[0].process.pid
    one.remotes[0].close()

    assert not Path(f"/proc/{pid}").exists()


# -- lies -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "said"),
    [("other tag", "alarm on tag 999"), ("no tag", "alarm on tag"), ("negative tag", "alarm on tag -1"),
     ("priority", "priority 77"), ("flood", "50000 facts"), ("long", "event that is too long"),
     ("evidence", "evidence for element '3.3'"), ("page", "page elsewhere"),
     ("derives", "samples of tag 1, which it does not derive"),
     ("write elsewhere", "write to tag 100001"), ("job", "a job 'posix:system'")],
)  # fmt: skip
def test_a_lie_drops_the_whole_answer(best, made, mode, said):
    one = made(best, "hostile/liar", LONG, mode=mode)
    one.plant.organisation = "brook"
    one.plant.know("Pump", "flow", [100_001])
    one.plant.organisation = "spring"
    [error] = one.hear()

    assert said in str(error)
    assert one.facts == []
    assert any(said in why for why in one.audit("refused"))
    one.undisturbed()


def test_what_is_no_fact_is_refused_like_anywhere(best, made):
    one = made(best, "hostile/liar", LONG, mode="no fact")
    [error] = one.hear()

    assert "no fact" in str(error)
    one.undisturbed()


def test_an_honest_word_of_the_same_app_is_taken(best, made):
    one = made(best, "hostile/liar", LONG, mode="honest")

    assert one.hear() == []
    assert [f.message for f in one.alarms()] == ["mine"]


def test_a_derived_sample_goes_only_where_the_window_says(best, made):
    one = made(best, "hostile/liar", LONG, mode="window")
    one.plant.know("Pump", "flow", [1])
    one.wait("1 ms")
    one.past.add(Samples.of(1, [one.clock.now() + SECOND], [1.0]))
    one.clock.time += 120 * SECOND
    one.schedule.tick()

    assert "samples of tag 1, which it does not derive" in str(one.chain.blame.errors[-1])
    assert [f for f in one.facts if isinstance(f, Samples)] == []
    one.undisturbed()


def test_a_write_without_a_grant_is_denied_and_audited(best, made):
    class Hands:
        written = []

        def write(self, tag, value, deadline):
            self.written.append((tag, value))

    from baotu.kernel.facts import Order
    from baotu.kernel.writes import Writes

    one = made(best, "hostile/liar", LONG, mode="write")
    assert one.hear() == []
    [write] = [f for f in one.facts if isinstance(f, Write)]
    hands = Hands()
    object.__setattr__(one.chain.reach, "actuators", hands)
    order = Order(app="liar", caller=one.caller, write=write, asked=one.clock.now())
    Writes(one.chain).carry_out(order)

    assert hands.written == []
    assert any("tags.write" in why for why in one.audit("denied"))


@pytest.mark.parametrize("mode", ["oversized", "endless", "garbage", "pickle", "types", "nested", "columns", "negative", "trailing"])  # fmt: skip
def test_a_frame_that_is_none_ends_it(best, made, mode):
    one = made(best, "hostile/liar", Bounds(call_s=5.0), mode=mode)
    [error] = one.hear()

    assert "its process was ended" in str(error)
    assert one.facts == []
    assert one.audit("killed")
    assert not Path("/tmp/owned").exists()
    one.undisturbed()


def test_a_page_that_is_no_view_ends_it(best, made):
    one = made(best, "hostile/liar", LONG)
    with pytest.raises(Fault, match="a word that the console does not know"):
        one.see("shown")
    one.undisturbed()


# -- before it begins -------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "said"), [("leaves", "closed its line"), ("boasts", "policy.change")])  # fmt: skip
def test_one_that_does_not_say_what_it_is_is_not_taken(launcher, path, said):
    with pytest.raises(ConfigError, match=said):
        examine(launcher, source(f"hostile/{path}"))


@pytest.mark.parametrize("change", [
    {"takes": {}}, {"takes": {"properties": {"a": 5}}}, {"takes": {"properties": {}, "required": ["b"]}}, {"name": "../x"},
    {"kind": "hook"}, {"duty": "root"}, {"permission": "people.manage"}, {"permission": ""}, {"given": {"x": "store"}},
])  # fmt: skip
def test_a_declaration_that_no_face_could_show_is_refused(change):
    fine = {"name": "go", "kind": "command", "title": "", "summary": "", "permission": "bad.go", "duty": "see",
            "takes": {"properties": {"a": {"title": "A"}}, "required": ["a"]}, "gives": {}, "given": {}}  # fmt: skip

    def manifest(offer):
        return Manifest(name="bad", title="", doc="", serves=[], permissions=[], tables=[], settings={}, derives={}, offers=[offer])  # fmt: skip

    assert checked(manifest(Offer(**fine)), "test")
    with pytest.raises(ConfigError, match="says of itself"):
        checked(manifest(Offer(**(fine | change))), "test")


def test_one_that_never_finishes_to_load_is_given_up(best, monkeypatch):
    monkeypatch.setattr("baotu.kernel.sandbox.source.LOAD_S", 2.0)
    with pytest.raises(ConfigError, match="timed out"):
        examine(best, source("hostile/hangs"))


def test_without_a_grant_nothing_of_it_runs(best, made):
    one = made(best, "hostile/liar", LONG, mode="honest")
    one.remotes[0].permitted = lambda: False
    one.chain.blame.hold("liar", "waiting")

    assert one.hear() == []
    assert one.facts == []
    with pytest.raises(Denied, match="等待授权"):
        one.do("write", tag=1, value=1.0)
    assert one.remotes[0].process is None


def test_its_state_begins_anew_with_the_last_hour_of_its_alarms(best, made):
    """Overheat, confined, dies while an alarm is active: begun anew it knows that it is."""
    one = made(best, "apps/kind", LONG)
    one.plant.know("Pump", "flow", [1])
    first = Samples.of(1, [one.clock.now()], [60.0])
    one.past.add(first)
    one.streams.run(first)
    one.clock.time += SECOND
    remote = one.remotes[0]
    remote.end("for the test")
    remote._next = 0.0
    one.minder.tick()
    one.hear(20.0)

    assert remote.began == 2
    assert [f.active for f in one.alarms() if isinstance(f, Alarm)] == [True, False]
