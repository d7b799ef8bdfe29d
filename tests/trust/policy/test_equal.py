"""The engine with its index decides as Cedar does, asked of every policy and entity at once."""

from __future__ import annotations

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from baotu.sdk import Resource
from baotu.trust.policy.engine import base_text
from baotu.trust.policy.text import _parsed, _read, cut, looks_of, quick_looks, rule_of

from .world import TAGS, cedar, engine, person

uids = {
    "principal": ['Person::"li"', 'Role::"operator"', 'Role::"viewer"', 'Organisation::"spring"',
                  'Organisation::"brook"'],
    "resource": ['Tag::"jinan/gate/power"', 'Asset::"jinan/foundry"', 'Asset::"jinan/gate"',
                 'Asset::"jinan/foundry/melting"', 'Zone::"safety"', 'Zone::"closed"',
                 'Organisation::"spring"', 'Organisation::"brook"', 'Asset::"jinan/foundry/melt"'],
}  # fmt: skip
types = {"principal": ["Person", "App"], "resource": ["Tag", "Asset"]}
actions = ["tags.write", "assets.read", "history.read"]
conditions = [
    "", "", "when { resource.organisation == principal.organisation }",
    'when { resource has zone && resource.zone.writes == "off" }',
    'unless { resource.device == "plc-1" }', "when { resource.writable }",
    'when { principal.duties.contains("operate") }', 'when { context.kind == "token" }',
    'when { resource in Asset::"jinan/foundry" } unless { resource in Zone::"closed" }',
    'when { resource == Tag::"jinan/gate/power" }', 'unless { resource.name like "*level" }',
    "when { resource in principal.organisation }", "unless { principal.organisation.house }",
    "when {principal.organisation . house}",
]  # fmt: skip


@st.composite
def scope(draw: st.DrawFn, side: str) -> str:
    how = draw(st.sampled_from(["any", "eq", "in", "in", "is", "is in"]))
    uid, type = draw(st.sampled_from(uids[side])), draw(st.sampled_from(types[side]))
    return {
        "any": side, "eq": f"{side} == {uid}", "in": f"{side} in {uid}", "is": f"{side} is {type}",
        "is in": f"{side} is {type} in {uid}",
    }[how]  # fmt: skip


@st.composite
def policies(draw: st.DrawFn) -> str:
    made = []
    for number in range(draw(st.integers(1, 8))):
        effect = draw(st.sampled_from(["permit", "permit", "permit", "forbid"]))
        named = [f'Action::"{a}"' for a in draw(st.lists(st.sampled_from(actions), min_size=1))]
        action = draw(
            st.sampled_from(
                ["action", f"action == {named[0]}", f"action in [{', '.join(named)}]",
                 'action in Action::"see"', 'action == Action::"see"']
            )
        )  # fmt: skip
        who, what = draw(scope("principal")), draw(scope("resource"))
        made.append(
            f'@id("p{number}") @title("t") // {number};\n{effect} ({who}, {action}, {what})\n'
            f"{draw(st.sampled_from(conditions))};"
        )
    return "\n".join(made)


callers = [
    person("li"), person("li", "operator"), person("wu", "viewer"), person("he", "operator", of="brook"),
    person("li", "viewer", kind="token"),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(policies(), st.sampled_from(callers), st.sampled_from(actions))
def test_decisions_and_lists_are_those_of_plain_cedar(text, caller, action):
    mine = engine()
    mine.base = ()  # only these policies: the base would decide most of it
    mine.load(text)
    may = {tag.name for tag in TAGS if cedar(mine, text, caller, action, tag.name)}
    for tag in TAGS:
        found = mine.judge(caller, action, Resource("tag", tag.name))
        assert found.allowed == (tag.name in may), (tag.name, found)
        assert mine.judge(caller, action, Resource("tag", tag.name)) is found
    listed = mine.visible(caller, action, "tag")
    everything = frozenset(tag.name for tag in TAGS)
    assert (everything if listed is None else listed) == may


@settings(max_examples=300, deadline=None)
@given(policies())
def test_a_scope_read_quickly_is_the_scope_that_cedar_reads(text):
    """What the one expression takes for a scope, Cedar's parser takes for the same."""
    for piece in cut(text):
        quick, slow = rule_of(piece), _read(piece.text)
        names = [name for name in quick.__slots__ if name not in ("__dict__", "known")]
        assert [getattr(quick, n) for n in names] == [getattr(slow, n) for n in names]


def test_the_base_is_read_as_cedar_reads_it():
    pieces = list(cut(base_text()))
    assert len(pieces) == len(cedarpy.PolicySet.from_str(base_text()))
    for piece in pieces:
        quick, slow = rule_of(piece), _read(piece.text)
        assert (quick.principal, quick.actions, quick.resource, quick.conditional) == (
            slow.principal, slow.actions, slow.resource, slow.conditional
        )  # fmt: skip


def test_what_conditions_look_at_is_never_underestimated():
    quickly = 0
    for condition in filter(None, conditions):
        text = f"permit (principal, action, resource) {condition};"
        quick, slow = quick_looks(text), looks_of(_parsed(text))
        if quick is not None:
            quickly += 1
            assert quick | slow == quick, condition
    assert 0 < quickly < len(conditions)
    tricky = 'permit (principal, action, resource) when { "resource.x" == context["resource"] };'
    assert quick_looks(tricky) is not None and looks_of(_parsed(tricky)).attributes == frozenset()
