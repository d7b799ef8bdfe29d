"""Every refusal that a person may see reads in Chinese and English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from baotu.sdk import ConfigError, Conflict, Denied, Invalid, Refused, Unreachable
from baotu.sdk.messages import HOLE, SEAM, bilingual, catalogue, halves
from baotu.sdk.view import in_language

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    p
    for p in (*(ROOT / "src").rglob("*.py"), *(ROOT / "examples").rglob("*.py"))
    if "testing" not in p.parts  # a fake's refusal is read by nobody
)
# place of the message among the arguments, and what may hold it by name
RAISED = {
    "ConfigError": 0, "Invalid": 1, "Conflict": 1, "NotFound": 1, "Denied": 0, "Unreachable": 0,
    "Refused": 0, "wrong": 1,
}  # fmt: skip
HAN, WORD = re.compile("[\u3400-\u9fff]"), re.compile(r"[A-Za-z]{2,}")


def said(node: ast.expr | None) -> str | None:
    """The words of a message in the source, with {} where a value stands; None: somebody else's."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(said(p) or HOLE for p in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (said(left) or HOLE) + (said(right) or HOLE)
    return None


def raised() -> Iterator[tuple[str, str]]:
    """(where, message) of each refusal in the source that has words of its own."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name not in RAISED:
                continue
            at, named = RAISED[name], {k.arg: k.value for k in node.keywords}
            text = said(node.args[at] if len(node.args) > at else named.get("why"))
            if text is not None and WORD.search(text.replace(HOLE, "")):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def test_every_refusal_in_the_source_reads_in_both_languages():
    found = list(raised())
    lacking = []
    for where, text in found:
        chinese, english = halves(bilingual(text.replace(HOLE, "x1")))
        if SEAM not in bilingual(text.replace(HOLE, "x1")):  # «中文 English» in the source
            chinese, english = in_language(text, "zh"), in_language(text, "en")
        if not (HAN.search(chinese) and WORD.search(english) and not HAN.search(english)):
            lacking.append(f'{where} "{text}" = ""')
    assert len(found) > 200
    assert not lacking, "write «中文 English», or add to sdk/messages.toml:\n" + "\n".join(lacking)


def test_the_catalogue_fills_the_same_holes():
    for english, chinese, literal in catalogue():
        assert english.count(HOLE) == chinese.count(HOLE), english
        assert HAN.search(chinese) and WORD.search(literal), english


def test_a_message_carries_both_languages_and_its_values():
    told = bilingual("no driver 'modbuss'")
    assert halves(told) == ("没有驱动 'modbuss'", "no driver 'modbuss'")
    assert in_language(told, "zh") == "没有驱动 'modbuss'"
    assert in_language(bilingual("no tag '炉温 A'"), "en") == "no tag '炉温 A'"


def test_a_message_within_a_message_is_said_in_the_same_language():
    inner = Unreachable("p1 is not connected")
    told = Refused(f"tag a: address b: {inner}")
    assert halves(str(told)) == (
        "位号 a：地址 b：p1 未连接",
        "tag a: address b: p1 is not connected",
    )


def test_where_and_hint_of_a_configuration_error_stand_in_both():
    error = ConfigError("unknown key 'hots'", "plant.toml:3: device.1", "did you mean host?")
    assert (error.where, halves(error.hint)[0]) == ("plant.toml:3: device.1", "是不是 host？")
    assert str(error) == (
        "plant.toml:3: device.1: 未知的键 'hots' (是不是 host？)"
        f"{SEAM}plant.toml:3: device.1: unknown key 'hots' (did you mean host?)"
    )


@pytest.mark.parametrize("kind", [Invalid, Conflict])
def test_a_refused_field_keeps_its_name(kind: type[Invalid]):
    error = kind("alarm", "is not shelved")
    assert (error.field, halves(error.why)) == ("alarm", ("没有搁置", "is not shelved"))


def test_words_of_an_author_stay_as_they_are():
    for words in ("缺人手 Nobody is free", "a plugin's own words", ""):
        assert bilingual(words) == words == halves(words)[0]
    assert str(Denied()) == ""
