"""``concordat preset``."""

from tests.portal.cli.cli_stand import Say


def test_a_preset_is_saved_listed_shown_and_removed(say: Say) -> None:
    saved = say("preset", "save", "Cold", "--recipe", '{"temperature": 0.1}', "--json").answer
    assert saved["recipe"]["temperature"] == 0.1
    listed = say("preset", "list").out
    assert "greedy" in listed
    assert "Cold" in listed
    assert "Always the likeliest token" in say("preset", "show", "greedy").out
    assert say("preset", "remove", saved["id"]).out == "Cold is removed.\n"
    assert "preset_not_found" in say("preset", "show", saved["id"]).err


def test_a_recipe_that_is_not_json_is_refused(say: Say) -> None:
    refused = say("preset", "save", "Cold", "--recipe", "temperature=0")
    assert refused.status == 1
    assert "bad_recipe" in refused.err
