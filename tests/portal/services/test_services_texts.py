"""Names and titles are read alike by everybody: what hides or reorders words is refused where people type it."""

from collections.abc import Callable

import pytest

from agreements.actors import Role
from agreements.deciders import Value
from agreements.errors import Invalid
from agreements.institutions import Constituency
from agreements.texts import REORDERING
from portal.inputs import Line, parse
from tests.portal.services.world import World

BAD = [*sorted(REORDERING), "\x1b", "\x00", "\x7f", "\x85"]


def _publish(world: World, **words: str) -> object:
    newest = world.portal.templates.versions("software-access")[-1]
    told = {"title": newest.title, "summary": newest.summary, "note": "", **words}
    clauses = [*newest.clauses, {"kind": "general", "clause_id": "added", "title": "Added", "text": "It is new."}]
    return world.portal.templates.publish(
        world.actor("ada"), template_id="software-access", version=newest.version + 1, clauses=clauses, **told
    )


def _institution(world: World, **words: str) -> object:
    told = {"name": "West University", "country": "Peru", "contact_email": "a@west.example", **words}
    return world.portal.institutions.register(
        world.actor("ada"), institution_id="west", constituency=Constituency.ACADEMIA, **told
    )


def _person(world: World, **words: str) -> object:
    told = {"name": "Finn", "email": "finn@people.example", **words}
    return world.portal.people.register(world.actor("ben"), memberships=[("north", Role.PARTNER_MEMBER)], **told)


def _revoke_key(world: World, **words: str) -> object:
    key = world.portal.institutions.kept_key("north")
    return world.portal.institutions.revoke_key(world.actor("ben"), "north", public_key=key or "", **words)


def _retire(world: World, **words: str) -> object:
    return world.portal.templates.retire(world.actor("ada"), "software-access", **words)


FIELDS: list[tuple[Callable[..., object], str, str]] = [
    (_publish, "title", "Software {}access"),
    (_publish, "summary", "A summary of {} words."),
    (_publish, "note", "What {} changed."),
    (_institution, "name", "West {}University"),
    (_institution, "country", "Pe{}ru"),
    (_institution, "contact_email", "a{}@west.example"),
    (_person, "name", "Fi{}nn"),
    (_person, "email", "fi{}nn@people.example"),
    (_revoke_key, "reason", "It was {} copied."),
    (_retire, "reason", "It is {} too old."),
]


@pytest.mark.parametrize(("write", "field", "text"), FIELDS, ids=[f"{w.__name__[1:]} {f}" for w, f, _ in FIELDS])
def test_what_hides_or_reorders_words_is_refused(
    world: World, write: Callable[..., object], field: str, text: str
) -> None:
    before = world.size
    for char in BAD:
        with pytest.raises(Invalid) as refusal:
            write(world, **{field: text.format(char)})
        assert (refusal.value.code, refusal.value.param) == ("bad_input", field)
    assert world.size == before
    assert write(world, **{field: text.format("")})


def test_a_draft_can_start_from_whatever_is_published(world: World) -> None:
    _publish(world, summary="Two\nparagraphs of it.", note="First.\nSecond.")
    assert world.agreement(until="draft").template_version == world.portal.templates.get("software-access").version


class _Stored(Value):
    title: Line


def test_what_was_stored_with_directional_marks_stays_readable() -> None:
    old = "Caf\u200fe"
    assert _Stored.model_validate({"title": old}).title == old
    with pytest.raises(Invalid):
        parse(_Stored, {"title": old})
