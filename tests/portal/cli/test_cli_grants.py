"""Grants on the command line: issued and delegated in every dimension, looked through, previewed, changed."""

from pathlib import Path

import pytest

from agreements.actors import Channel, Role
from agreements.agreement import Agreement
from portal.cli.limits import changed
from portal.composition import Portal
from portal.config import load
from tests.portal.cli.cli_stand import Said, Say


def test_a_delegation_names_one_holder(say: Say) -> None:
    refused = say("grant", "delegate", "grt_x", "--label", "a part")
    assert refused.status == 2
    assert "either --person or --program" in refused.err


def test_a_grant_that_is_not_there_is_refused_by_every_command(say: Say) -> None:
    for words in (
        ("tree", "grt_x"),
        ("suspend", "grt_x", "--reason", "looked into"),
        ("lift", "grt_x", "--reason", "all is well"),
        ("narrow", "grt_x", "--reason", "less work", "--tokens", "5"),
        ("extend", "grt_x", "--reason", "more work", "--tokens", "5"),
        ("delegate", "grt_x", "--label", "a part", "--person", "per_x"),
    ):
        refused = say("grant", *words)
        assert refused.status == 1, words
        assert "grant_not_found" in refused.err


def test_stale_grants_are_listed(say: Say) -> None:
    assert say("grant", "stale", "--json").answer["items"] == []


def test_revocations_are_listed_with_their_measurements(say: Say) -> None:
    answer = say("grant", "revocations", "--json").answer
    assert set(answer) == {"items", "commit", "refused", "runs_stopped", "tokens_after"}


def in_force(home: Path, institution_id: str) -> tuple[Agreement, str]:
    """An agreement in force with an institution of the test's own, and the id of its lead."""
    with Portal.open(load(home)) as portal:
        (row, *_) = portal.store.query("SELECT person_id FROM person WHERE name = 'Mara Lindqvist'")
        mara = portal.people.get(row["person_id"]).actor(Channel.CLI)
        lead = portal.people.register(
            mara,
            name="Lena Lead",
            email=f"lena@{institution_id}.example",
            memberships=[(institution_id, Role.PARTNER_LEAD)],
        ).actor(Channel.SCREEN)
        portal.institutions.create_key(lead, institution_id)
        agreements = portal.agreements
        agreement = agreements.offer(mara, agreements.draft(mara, institution_id=institution_id).id)
        for signer in (lead, mara):
            agreement = agreements.sign(
                signer, agreement.id, typed_name=signer.name, document_digest=agreement.document_digest or ""
            )
        return agreement, lead.person_id


FINER = (
    *("--tokens", "9000", "--requests", "90", "--tokens-per", "day=500", "--requests-per", "week=20", "--at-once", "2"),
    *("--max-tokens", "64", "--choices", "2", "--top-logprobs", "0", "--max-temperature", "0.7", "--holder-bound"),
    *("--output-tokens", "700", "--logprob-decimals", "3", "--precision", "float32", "--precision", "int8"),
    *("--open-hours", "mon-fri 09:00-17:00 Europe/Zurich"),
)


def test_a_grant_is_issued_delegated_previewed_narrowed_and_ended(say: Say, home: Path) -> None:
    say("institution", "add", "granters", "--name", "Granters", "--constituency", "academia", "--email", "g@g.example")
    agreement, lead_id = in_force(home, "granters")
    root = say("grant", "issue", "--agreement", agreement.id, "--label", "A study", *FINER, "--json").answer
    scope = root["scope"]
    assert scope["periods"] == [{"period": "day", "tokens": 500}, {"period": "week", "requests": 20}]
    assert scope["sampling"] == {
        "max_tokens": 64,
        "choices": 2,
        "top_logprobs": 0,
        "max_temperature": 0.7,
        "logprob_decimals": 3,
    }
    assert (scope["output_budget"], scope["precisions"]) == (700, ["float32", "int8"])
    assert (scope["hours"]["zone"], scope["holder_bound"], scope["concurrency"]) == ("Europe/Zurich", True, 2)
    shown = say("grant", "show", root["id"]).out
    for words in (
        "500 tokens a day",
        "temperature 0.7",
        "Mon–Fri 09:00–17:00",
        "their holder's key",
        "float32 or int8",
        "not allowed",
    ):
        assert words in shown

    delegating = ("grant", "delegate", root["id"], "--label", "a part", "--person", lead_id)
    refused = say(*delegating, "--tokens-per", "day=501")
    assert "periods.day.tokens: 501 is more than 500" in refused.err
    child = say(*delegating, "--tokens-per", "day=400", "--json").answer
    assert child["scope"]["periods"] == [{"period": "day", "tokens": 400}, {"period": "week", "requests": 20}]
    assert child["scope"]["sampling"] == scope["sampling"]
    assert "logit_bias: biasing logits is not allowed" in say(*delegating, "--logit-bias").err

    narrowing = ("grant", "narrow", root["id"], "--reason", "less work", "--tokens-per", "day=300")
    foreseen = say(*narrowing, "--preview")
    assert f"Below it: {child['id']}, a part, held by {lead_id}, is narrowed in periods.day.tokens." in foreseen.out
    not_confirmed(say(*narrowing))
    not_confirmed(say(*narrowing, typed="n\n"))
    assert say("grant", "show", child["id"], "--json").answer["grant"]["scope"]["periods"][0]["tokens"] == 400
    assert say(*narrowing, typed="y\n").status == 0
    assert say("grant", "show", child["id"], "--json").answer["grant"]["scope"]["periods"][0]["tokens"] == 300

    revoking = ("grant", "revoke", root["id"], "--reason", "the study is over")
    assert "ends." in say(*revoking, "--preview").out
    assert say(*revoking, "--json").answer["error"]["code"] == "not_confirmed"
    assert say(*revoking, "--yes").out == f"{root['id']} is revoked.\n"


def not_confirmed(said: Said) -> None:
    """Refused because nobody said yes."""
    assert said.status == 1
    assert "(not_confirmed)" in said.err


@pytest.mark.parametrize(
    ("said", "periods"),
    [
        ([{"period": "day", "tokens": 5}], [{"period": "day", "tokens": 5, "requests": 7}]),
        (
            [{"period": "month", "tokens": 5}],
            [{"period": "day", "tokens": 9, "requests": 7}, {"period": "month", "tokens": 5}],
        ),
    ],
)
def test_what_is_said_of_one_period_leaves_the_others_as_they_are(
    said: list[dict[str, object]], periods: list[dict[str, object]]
) -> None:
    scope = {"token_budget": 5, "periods": [{"period": "day", "tokens": 9, "requests": 7}]}
    assert changed(scope, {"periods": said}) == {"token_budget": 5, "periods": periods}
