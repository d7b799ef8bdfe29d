"""What is wrong with a text of policies is told with its line and column, before it is accepted."""

from __future__ import annotations

import pytest

from baotu.sdk.view import in_language
from baotu.trust.policy.check import problems
from baotu.trust.policy.engine import base_rules, base_text
from baotu.trust.policy.model import Catalogue, quoted
from baotu.trust.policy.text import cut, rules_of

HEAD = '@id("a") @title("甲 A")\n'


def found(text: str) -> list[tuple[int, int, str]]:
    return [
        (p.line, p.column, in_language(p.why, "en"))
        for p in problems(text, Catalogue.of(), (rule.id for rule in base_rules()))
    ]


def test_the_base_is_right():
    assert problems(base_text(), Catalogue.of()) == []


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        (HEAD + "permit (principal, action, resource) when { context.kind == };", 2, 61, "`}`"),
        (HEAD + "permit (principal, actoin, resource);", 2, 20, "actoin"),
        (HEAD + "permit (principal, action, resource)", 2, 36, "unexpected end"),
        ("# no comment of Cedar's", 1, 1, "invalid token"),
        ('// one; "two\n\n' + HEAD + 'forbid (principal, action == Action::"tags.wrte", resource);',
         4, 39, "tags.wrte"),
        (HEAD + 'permit (principal is Persn, action, resource);', 2, 22, "Persn"),
        (HEAD + 'permit (principal, action, resource is Tag)\nwhen { resource.zon == "x" };', 3, 17, "zon"),
        (HEAD + "permit (principal == ?principal, action, resource);", 2, 51, "slots"),
        ('@title("甲 A") permit (principal, action, resource);', 1, 1, "@id"),
        ('@id("a") permit (principal, action, resource);', 1, 1, "@title"),
        ('@id("role-viewer") @title("甲 A") permit (principal, action, resource);', 1, 1, "taken"),
        (HEAD + '@needs("prayer") permit (principal, action, resource);', 1, 1, "prayer"),
        (HEAD + 'permit (principal, action == Action::"audit.change", resource);', 2, 39, "nobody"),
        (HEAD + 'permit (principal in Role::"audit_admin", action in [Action::"audit.read", '
         'Action::"audit.change"], resource);', 2, 85, "nobody"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text: str, line: int, column: int, says: str):
    [(at_line, at_column, why)] = found(text)
    assert says in why and (at_line, at_column) == (line, column), (at_line, at_column, why)


def test_every_mistake_is_told_in_the_order_of_the_lines():
    text = "\n".join(
        f'@id("p{n}") @title("甲 A") permit (principal, action == Action::"no.{n}", resource);'
        for n in range(3)
    )
    assert [line for line, _, _ in found(text)] == [1, 2, 3]


def test_a_name_twice_is_a_mistake():
    one = HEAD + "permit (principal, action, resource);\n"
    assert [(line, "taken" in why) for line, _, why in found(one + one)] == [(3, True)]


def test_both_languages_are_told():
    [problem] = problems("permit (principal, action, resource);", Catalogue.of())
    assert "缺少 @id" in in_language(problem.why, "zh")


def test_texts_are_cut_outside_of_strings_and_comments():
    text = (
        '// a; comment\n@id("a;b") @title("一 \\"One\\"; two")\npermit (principal, action, resource)'
        ' when { context.kind == "x; // y" };\n// last; words\n'
    )
    [piece] = list(cut(text))
    assert piece.text.startswith('@id("a;b")') and piece.start == text.index("@id")
    [rule] = rules_of(text)
    assert rule.id == "a;b" and rule.title == '一 "One"; two'
    assert rule.looks.attributes == frozenset()


@pytest.mark.parametrize("name", ['a"b', "a\\b", "行\n2", "\t", "π’", "\x7f", ""])
def test_any_name_can_be_written_as_cedar_writes_it(name: str):
    text = f"{HEAD}permit (principal == Person::{quoted(name)}, action, resource);"
    assert problems(text, Catalogue.of()) == []
    [rule] = rules_of(text)
    assert rule.principal == f"=Person::{name}"
