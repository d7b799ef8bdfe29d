"""The control socket answers in the node's words and is closed to other users."""

import socket
import stat
import threading

import pytest

from baotu.house.control import Control, ask, node_folder, running
from baotu.sdk import Invalid, Unreachable


def refuse(field: str) -> None:
    raise Invalid(field, "must not be")


@pytest.fixture
def control(tmp_path):
    served = Control(
        tmp_path, {"status": lambda: {"up": True}, "add": lambda a, b: a + b, "refuse": refuse}
    )
    yield served
    served.close()


def test_a_deed_gets_its_arguments_and_answers(control, tmp_path):
    assert ask(tmp_path, "add", a=2, b=3) == 5
    assert running(tmp_path)


def test_a_refusal_keeps_its_words(control, tmp_path):
    with pytest.raises(RuntimeError, match=r"^path: must not be"):
        ask(tmp_path, "refuse", field="path")


@pytest.mark.parametrize(
    ("do", "said"), [("fly", "cannot 'fly'; can: add, refuse, status"), ("add", "TypeError")]
)
def test_a_wrong_question_is_told_so(control, tmp_path, do, said):
    with pytest.raises(RuntimeError, match=said):
        ask(tmp_path, do)


def test_only_the_owner_may_open_it(control):
    assert stat.S_IMODE(control.path.stat().st_mode) & 0o077 == 0


def test_without_a_node_the_answer_says_what_to_start(tmp_path):
    with pytest.raises(Unreachable, match="baotu run"):
        ask(tmp_path, "status")


def test_the_socket_of_a_killed_node_does_not_stand_in_the_way(tmp_path):
    (tmp_path / "control.sock").touch()
    served = Control(tmp_path, {"status": lambda: 1})

    assert ask(tmp_path, "status") == 1
    served.close()
    assert not (tmp_path / "control.sock").exists()


def test_the_folder_of_a_demo_leads_to_its_node(tmp_path):
    (tmp_path / "plant").mkdir()
    inside = tmp_path / "data"
    inside.mkdir()
    served = Control(inside, {"status": lambda: 1})

    assert ask(tmp_path, "status") == ask(inside, "status") == 1
    served.close()
    (inside / "history").mkdir()
    assert node_folder(tmp_path) == node_folder(inside) == inside


def test_a_node_that_ends_before_it_answers_is_no_traceback(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(tmp_path / "control.sock"))
        deaf.listen()
        threading.Thread(target=lambda: deaf.accept()[0].close(), daemon=True).start()
        with pytest.raises(Unreachable, match="ended before it answered"):
            ask(tmp_path, "status", deadline_s=60)


def test_a_node_that_is_silent_is_told_with_the_time(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(tmp_path / "control.sock"))
        deaf.listen()
        with pytest.raises(Unreachable, match=r"did not answer in 0\.1 s"):
            ask(tmp_path, "status", deadline_s=0.1)
