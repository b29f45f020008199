"""Grants on the command line: delegated, looked through, changed."""

from tests.portal.cli.cli_stand import Say


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
