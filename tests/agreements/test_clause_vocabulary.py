"""Every kind of clause says what it compiles to, reads its own numbers, and keeps the bytes that were signed before."""

import copy
import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.agreement import Agreement, Offer
from agreements.canonical import canonical_bytes
from agreements.clauses import Clause, Target, clause_kinds, parse_clauses
from agreements.clauses.base import WORDS
from agreements.errors import Invalid
from agreements.standard_terms import templates
from tests.agreements.parties import NOW
from tests.agreements.paths import ADA, digest, done, drafting

SIGNED_BEFORE_VERSIONS = "sha256:3b2283620bafb0ec61f446e6ae67266b7d0dc43c2a41715f72071c2dbb04750e"
"""The digest of this agreement over the first template, as the release before versions and new clauses made it."""

HEAD = {"clause_id": "a-clause", "title": "A clause", "text": "It is agreed."}

USE: dict[str, Any] = {
    "use_id": "bias",
    "title": "Bias in summaries",
    "checkpoints": ["ladder-s", "ladder-m", "ladder/*"],
    "operations": ["score", "generate", "logprobs"],
    "data_classes": ["public-text", "made-up-text"],
    "token_budget": 5000,
    "requests_per_minute": 20,
}

SMALLEST: dict[str, dict[str, Any]] = {
    "acknowledgement": {},
    "liability": {},
    "general": {},
    "licence": {},
    "permitted_uses": {
        "checkpoints": ["ladder-l", "ladder/*"],
        "operations": ["score", "generate"],
        "purposes": ["misuse-analysis", "bias-analysis"],
    },
    "usage_limits": {"token_budget": 1234567, "requests_per_minute": 60},
    "named_users": {"users": [{"name": "Ben", "email": "ben@people.example"}]},
    "vetting": {"items": ["training", "identity"], "grace_days": 14},
    "confidentiality": {},
    "feedback": {"every_weeks": 4},
    "final_report": {"within_days": 30},
    "publication_review": {"window_days": 30},
    "incident_notice": {"within_hours": 72},
    "late_duties": {
        "remind_days_before": 7,
        "narrow_after_days": 7,
        "narrowed_operations": ["score", "generate"],
        "narrowed_requests_per_minute": 5,
        "suspend_after_days": 21,
    },
    "safe_harbour": {},
    "data_use": {"data_sets": ["one", "two"], "purposes": ["b", "a"], "redistribution": False},
    "signatories": {"order": [{"party": "institution", "role": "dean"}, {"party": "lab", "role": "head"}]},
    "term": {"days": 365},
    "amendments": {"grace_days": 30},
    "termination": {"destruction_days": 30},
}
"""Of every kind, as little as it may say."""

OPTIONAL: dict[str, dict[str, Any]] = {
    "licence": {"purpose_class": "non_commercial"},
    "permitted_uses": {"uses": [USE]},
    "confidentiality": {
        "retention_days": 90,
        "refresh_days": 14,
        "portal_keeps_days": 30,
        "runs_kept_days": 60,
        "lab_reads_runs": True,
        "runs_outlive_agreement": True,
    },
    "publication_review": {"grounds": ["safety", "factual_error"]},
    "safe_harbour": {
        "notice_hours": 48,
        "immediate_reasons": ["security_incident", "key_compromise"],
        "appeal_days": 30,
        "decision_days": 10,
        "on_silence": "lifted",
    },
    "term": {"renewals": 2, "renewal_window_days": 60},
}
"""What came to be sayable after agreements had been signed."""

KINDS = sorted(SMALLEST)


def data(kind: str, *, full: bool = False) -> dict[str, Any]:
    """A clause of that kind as JSON data, with everything optional said or nothing."""
    return copy.deepcopy({"kind": kind, **HEAD, **SMALLEST[kind], **(OPTIONAL.get(kind, {}) if full else {})})


def clause(kind: str, *, full: bool = False, **changed: Any) -> Clause:
    """The same, read."""
    return parse_clauses([{**data(kind, full=full), **changed}])[0]


def test_these_are_all_the_kinds_there_are() -> None:
    assert tuple(KINDS) == clause_kinds()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_it_compiles_to(kind: str, full: bool) -> None:
    effects = clause(kind, full=full).effects()
    assert effects
    assert all(len(effect.summary) > 10 and effect.kind for effect in effects)


COMPILES = {
    "permitted_uses": {Target.GRANT_BOUND},
    "usage_limits": {Target.QUOTA},
    "named_users": {Target.CONDITION, Target.TRACKED},
    "vetting": {Target.CONDITION},
    "feedback": {Target.DUTY},
    "final_report": {Target.DUTY},
    "publication_review": {Target.DUTY, Target.CONDITION},
    "incident_notice": {Target.DUTY},
    "late_duties": {Target.DUTY, Target.CONDITION},
    "signatories": {Target.CONDITION},
    "term": {Target.EXPIRY},
    "amendments": {Target.EXPIRY},
    "termination": {Target.EXPIRY, Target.DUTY},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_software_cannot_carry_is_called_tracked_only(kind: str) -> None:
    assert {effect.compiles_to for effect in clause(kind).effects()} == COMPILES.get(kind, {Target.TRACKED})


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_text_may_cite_every_field_that_says_something(kind: str, full: bool) -> None:
    read = clause(kind, full=full)
    cited = sorted(read.readable_data())
    said = {name for name in type(read).model_fields if name not in WORDS and getattr(read, name) is not None}
    assert set(cited) == said
    rendered = clause(kind, full=full, text="|".join(["Agreed:", *(f"{{{name}}}" for name in cited)])).rendered()
    assert rendered == "|".join(["Agreed:", *(read.readable_data()[name] for name in cited)])
    assert "frozenset" not in rendered
    assert "None" not in rendered


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cited", ["{no_such_field}", "{text}", "{kind}", "{}", "{0}", "{days.real}", "{days!r}", "{"])
def test_a_text_that_cites_anything_else_is_refused(kind: str, cited: str) -> None:
    with pytest.raises(Invalid) as refused:
        clause(kind, text=f"It is agreed: {cited}.")
    assert refused.value.code == "bad_clause"


@pytest.mark.parametrize("kind", sorted(OPTIONAL))
def test_what_came_later_is_absent_while_it_says_nothing(kind: str) -> None:
    assert set(clause(kind).model_dump(mode="json")) == {"kind", *HEAD, *SMALLEST[kind]}
    named_as_nothing: dict[str, Any] = dict.fromkeys(OPTIONAL[kind])
    assert clause(kind, **named_as_nothing).model_dump(mode="json") == clause(kind).model_dump(mode="json")


@pytest.mark.parametrize("name", [(kind, name) for kind in sorted(OPTIONAL) for name in OPTIONAL[kind]])
def test_every_later_field_is_dumped_once_it_says_something(name: tuple[str, str]) -> None:
    kind, field = name
    with_it = clause(kind, **{field: OPTIONAL[kind][field]}).model_dump(mode="json")
    assert field in with_it
    assert parse_clauses([with_it])[0].model_dump(mode="json") == with_it


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_dump_reads_back_as_the_same_clause(kind: str, full: bool) -> None:
    read = clause(kind, full=full)
    stored = json.loads(canonical_bytes(read.model_dump(mode="json")))
    assert parse_clauses([stored]) == (read,)


@given(st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_the_order_in_which_a_set_is_written_does_not_matter(kind: str, random: Any) -> None:
    shuffled = data(kind, full=True)
    sets = [value for name, value in _members(shuffled) if name in SETS]
    for values in sets:
        random.shuffle(values)
    assert canonical_bytes(parse_clauses([shuffled])[0].model_dump(mode="json")) == canonical_bytes(
        clause(kind, full=True).model_dump(mode="json")
    )


SETS = {
    "checkpoints",
    "operations",
    "purposes",
    "data_classes",
    "items",
    "grounds",
    "immediate_reasons",
    "narrowed_operations",
    "data_sets",
}


def _members(value: Any) -> list[tuple[str, Any]]:
    """Every member of every object inside a JSON value, by name."""
    if isinstance(value, dict):
        return [pair for name, inner in value.items() for pair in [(name, inner), *_members(inner)]]
    return [pair for inner in value for pair in _members(inner)] if isinstance(value, list) else []


SCRIPT = """
import json, sys
from agreements.canonical import digest_of
from agreements.clauses import parse_clauses
for data in json.load(sys.stdin):
    clause = parse_clauses([data])[0]
    print(digest_of({"data": clause.model_dump(mode="json"), "text": clause.rendered()}))
    print([effect.summary for effect in clause.effects()])
"""


def said_under(hash_seed: str) -> str:
    """The digest and the effects of every kind, in a process whose sets are ordered by that seed."""
    cited = []
    for kind in KINDS:
        names = sorted(clause(kind, full=True).readable_data())
        cited.append({**data(kind, full=True), "text": " ".join(["Agreed:", *(f"{{{name}}}" for name in names)])})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        input=json.dumps(cited),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout


def test_no_kind_depends_on_the_order_of_sets_in_a_process() -> None:
    first = said_under("0")
    assert len(first.splitlines()) == 2 * len(KINDS)
    assert [said_under(seed) for seed in ("1", "2", "3")] == [first] * 3


def test_an_agreement_signed_before_versions_keeps_its_digest_byte_for_byte() -> None:
    standard = next(one for one in templates() if (one.template_id, one.version) == ("software-access", 1))
    command = drafting(standard.clauses, standard.title).model_copy(update={"agreement_id": "agr_pinned"})
    offered = done(done(Agreement(), command, ADA, NOW), Offer(), ADA, NOW)
    assert offered.document_digest == digest(offered.document()) == SIGNED_BEFORE_VERSIONS


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**13), 10**13),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["{days}", "generate", "ladder/*", "A" * 9000, "\ud800", "ben@people.example", "…", "\x00"]),
    st.lists(st.sampled_from(["generate", "x", 1, None, {}, {"use_id": 1}, USE]), max_size=3),
    st.dictionaries(st.sampled_from(["use_id", "party", "name", "kind", "x"]), st.integers() | st.text(), max_size=3),
)


@given(st.data(), st.sampled_from(KINDS))
def test_whatever_is_changed_in_a_clause_only_our_refusals_leave(given_data: st.DataObject, kind: str) -> None:
    mutated = data(kind, full=True)
    for _ in range(given_data.draw(st.integers(1, 3))):
        _mutate(given_data, mutated)
    try:
        read = parse_clauses([mutated])
    except Invalid as refused:
        assert refused.code == "bad_clause"
        return
    # What is taken in can be shown, told and signed.
    assert read[0].rendered() is not None
    assert read[0].effects()
    dumped = read[0].model_dump(mode="json")
    assert parse_clauses([dumped]) == read


def _mutate(given_data: st.DataObject, value: Any) -> None:
    """Drop, replace, add or swap somewhere inside a JSON value; copies, since what is put in may be changed next."""
    spots = [inner for inner in _containers(value) if inner]
    if not spots:
        return
    spot = given_data.draw(st.sampled_from(spots))
    where = given_data.draw(st.sampled_from(sorted(spot) if isinstance(spot, dict) else list(range(len(spot)))))
    match given_data.draw(st.sampled_from(["drop", "replace", "add", "kind"])):
        case "drop":
            del spot[where]
        case "replace":
            spot[where] = deepcopy(given_data.draw(JUNK))
        case "add" if isinstance(spot, dict):
            spot[given_data.draw(st.sampled_from(["x", "days", "uses", "order", "text"]))] = deepcopy(
                given_data.draw(JUNK)
            )
        case "add":
            spot.append(deepcopy(given_data.draw(JUNK)))
        case _ if isinstance(spot, dict):
            spot["kind"] = given_data.draw(st.sampled_from(KINDS))
        case _:
            spot.reverse()


def _containers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in _containers(inner))]
    return [value, *(found for inner in value for found in _containers(inner))] if isinstance(value, list) else []


def _leaves(value: Any) -> list[Any]:
    """Every single value inside a JSON value."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_binds_is_told_though_no_word_cites_it(kind: str, full: bool) -> None:
    silent = clause(kind, full=full, text="As agreed.")
    dumped = {name: value for name, value in silent.model_dump(mode="json").items() if name not in WORDS}
    fields = {field.name: field for field in silent.data_fields()}
    assert set(fields) == set(dumped)
    for name, value in dumped.items():
        words = fields[name].words.replace("_", " ").replace("-", " ")
        for leaf in _leaves(value):
            if leaf is not None:
                said = {True: "yes", False: "no"}[leaf] if isinstance(leaf, bool) else leaf
                assert (f"{said:,}" if isinstance(said, int) else said.replace("_", " ").replace("-", " ")) in words
        assert fields[name].label
        assert all(fields[name].lines)


def test_a_list_has_a_line_for_each_of_its_entries() -> None:
    users = [{"name": "Ben", "email": "ben@a.example"}, {"name": "Mallory", "email": "mallory@b.example"}]
    (field,) = clause("named_users", users=users).data_fields()
    assert field.lines == ("Ben <ben@a.example>", "Mallory <mallory@b.example>")
    (emptied,) = clause("safe_harbour", immediate_reasons=[]).data_fields()
    assert emptied.lines == ("none",)


def test_no_limit_and_no_clock_is_left_out_of_what_it_compiles_to() -> None:
    slow = clause("permitted_uses", uses=[{**USE, "token_budget": None, "requests_per_minute": 7}])
    assert any("7 requests a minute" in effect.summary for effect in slow.effects())
    appealable = clause("safe_harbour", appeal_days=30)
    assert any("appealed for 30 days" in effect.summary for effect in appealable.effects())
    silent = clause("safe_harbour", on_silence="stands")
    assert any("never comes about" in effect.summary for effect in silent.effects())
    decided = clause("safe_harbour", decision_days=10, on_silence="stands")
    assert any("Silence leaves it as it is." in effect.summary for effect in decided.effects())
