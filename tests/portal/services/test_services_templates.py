"""The library of templates: what ships and what is published, read as one; drafts start from the newest."""

from collections.abc import Callable
from typing import Any

import pytest

from agreements.clauses import Form
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from agreements.standard_terms import template, templates
from portal.services.templates import USUAL
from tests.portal.services.world import CAST, World

NEXT = template(USUAL).version + 1


def text(**fields: Any) -> dict[str, Any]:
    """A next version of the usual template, with one more sentence."""
    usual = template(USUAL)
    clauses = [clause.model_dump(mode="json") for clause in usual.clauses]
    clauses[0]["text"] += " It binds successors."
    return {
        "template_id": USUAL,
        "version": NEXT,
        "title": usual.title,
        "summary": usual.summary,
        "clauses": clauses,
        **fields,
    }


def test_what_ships_is_there_the_usual_one_first(world: World) -> None:
    shown = world.portal.templates.all()
    assert shown[0].template_id == USUAL
    assert {entry.template_id for entry in shown} == {entry.template_id for entry in templates()}
    assert world.portal.agreements.templates() == shown
    assert [entry.version for entry in world.portal.templates.versions(USUAL)] == list(range(1, NEXT))


def test_a_published_version_is_what_drafts_start_from_and_older_drafts_keep_theirs(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    before = world.agreement(until="draft")
    published = portal.templates.publish(ada, **text(note="Successors."))
    assert (published.version, published.note, published.published_at) == (NEXT, "Successors.", world.clock.now)
    assert portal.templates.get(USUAL) == published
    assert portal.templates.get(USUAL, NEXT - 1).published_at is None
    after = world.agreement(until="draft")
    assert (before.template_version, after.template_version) == (NEXT - 1, NEXT)
    assert portal.agreements.get(ada, before.id) == before
    assert after.clauses[0].text.endswith("It binds successors.")


def test_a_template_of_ones_own_is_drafted_from_and_survives_a_restart(world: World) -> None:
    ada = world.actor("ada")
    own = text(template_id="museum", version=1, title="Museum terms")
    assert world.portal.templates.publish(ada, **own).form is Form.STANDALONE
    world.reopen()
    drafted = world.portal.agreements.draft(ada, institution_id="north", template_id="museum")
    assert (drafted.template_id, drafted.template_version, drafted.title) == ("museum", 1, "Museum terms")
    assert "museum" in {entry.template_id for entry in world.portal.templates.all()}


def test_a_later_release_does_not_replace_what_was_published_under_the_same_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = world.portal.templates.publish(world.actor("ada"), **text())
    shipped_later = template(USUAL).model_copy(update={"version": NEXT, "title": "Shipped later"})
    monkeypatch.setattr("portal.services.templates.templates", lambda: (*templates(), shipped_later))
    assert world.portal.templates.get(USUAL, NEXT) == published


def test_a_retired_template_starts_no_draft_and_stays_readable(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    drafted = world.agreement(until="draft")
    retired = portal.templates.retire(ada, USUAL, reason="Replaced by the framework.")
    assert retired.retired_at == world.clock.now
    assert USUAL not in {entry.template_id for entry in portal.templates.all()}
    assert USUAL in {entry.template_id for entry in portal.templates.all(retired=True)}
    assert portal.templates.get(USUAL, 1).version == 1
    with pytest.raises(Conflict) as refused:
        world.agreement(until="draft")
    assert refused.value.code == "template_retired"
    assert portal.agreements.offer(ada, drafted.id).offered_at == world.clock.now
    portal.templates.publish(ada, **text())
    assert world.agreement(until="draft").template_version == NEXT


@pytest.mark.parametrize("who", sorted(CAST))
def test_only_coordinators_publish_and_retire(world: World, who: str) -> None:
    before = world.size
    attempts: list[Callable[[], object]] = [
        lambda: world.portal.templates.publish(world.actor(who), **text()),
        lambda: world.portal.templates.retire(world.actor(who), USUAL, reason="Because."),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden) as refused:
            attempt()
        assert refused.value.code == "not_coordinator"
    assert world.size == before


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"version": 1}, "template_version"),
        ({"version": NEXT + 1}, "template_version"),
        ({"version": 0}, "bad_input"),
        ({"title": "x"}, "bad_input"),
        ({"template_id": "No Id"}, "bad_input"),
        ({"form": "framework"}, "clause_out_of_place"),
        ({"form": "poem"}, "bad_input"),
        ({"clauses": [{"kind": "term"}]}, "bad_clause"),
        ({"clauses": []}, "clause_count"),
    ],
)
def test_what_is_no_next_version_is_refused_and_writes_nothing(world: World, fields: dict[str, Any], code: str) -> None:
    before = world.size
    with pytest.raises(ConcordatError) as refused:
        world.portal.templates.publish(world.actor("ada"), **text(**fields))
    assert refused.value.code == code
    assert world.size == before


@pytest.mark.parametrize("template_id", ["", "no-such", "../software-access", "software-access-v1"])
def test_an_unknown_template_is_not_found(world: World, template_id: str) -> None:
    ada = world.actor("ada")
    attempts: list[Callable[[], object]] = [
        lambda: world.portal.templates.get(template_id),
        lambda: world.portal.templates.versions(template_id),
        lambda: world.portal.templates.retire(ada, template_id, reason="Because."),
        lambda: world.portal.agreements.draft(ada, institution_id="north", template_id=template_id),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound) as refused:
            attempt()
        assert refused.value.code == "template_not_found"
        assert USUAL in refused.value.hint


def test_an_unknown_version_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        world.portal.templates.get(USUAL, NEXT)
    assert refused.value.code == "template_version_not_found"


def test_a_repeated_publication_is_one(world: World) -> None:
    ada = world.actor("ada")
    first = world.portal.templates.publish(ada, **text(), idempotency_key="publish-1")
    size = world.size
    assert world.portal.templates.publish(ada, **text(), idempotency_key="publish-1") == first
    assert world.size == size
    with pytest.raises((Conflict, Invalid)):
        world.portal.templates.publish(ada, **text())


def test_the_store_proves_what_was_published(world: World) -> None:
    ada = world.actor("ada")
    world.portal.templates.publish(ada, **text())
    world.portal.templates.retire(ada, "red-team", reason="Not offered here.")
    assert world.portal.log.verify(ada).ok
