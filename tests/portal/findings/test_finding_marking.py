"""Markings compute to audiences that only grow as the label gets lower."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import LAB, Actor, Membership, Role
from portal.findings.marking import DEFAULT_MARKING, Audience, Tlp, most_restrictive

INSTITUTIONS = ("uni", "institute", LAB)
PERSONS = ("ada", "bo", "cy", "dee")

memberships = st.builds(Membership, institution_id=st.sampled_from(INSTITUTIONS), role=st.sampled_from(Role))
actors = st.none() | st.builds(
    Actor,
    person_id=st.sampled_from(PERSONS),
    name=st.just("N"),
    memberships=st.lists(memberships, max_size=3).map(tuple),
)
audiences = st.builds(
    Audience,
    marking=st.sampled_from(Tlp),
    institution_id=st.sampled_from(INSTITUTIONS),
    named=st.lists(st.sampled_from(PERSONS), unique=True).map(tuple),
)


def person(person_id: str, *roles: tuple[str, Role]) -> Actor:
    return Actor(
        person_id=person_id,
        name=person_id,
        memberships=tuple(Membership(institution_id=i, role=r) for i, r in roles),
    )


@given(audiences, actors, st.sampled_from(Tlp))
def test_a_lower_label_never_shuts_anybody_out(audience: Audience, actor: Actor | None, label: Tlp) -> None:
    other = audience.model_copy(update={"marking": label})
    if audience.admits(actor) and not audience.marking.is_lower_than(label):
        assert other.admits(actor)


@given(audiences, actors)
def test_red_is_the_named_persons_and_no_role_overrides_it(audience: Audience, actor: Actor | None) -> None:
    red = audience.model_copy(update={"marking": Tlp.RED})
    if red.admits(actor):
        assert actor is not None
        assert actor.person_id in red.named


READERS = {
    "nobody": None,
    "named": person("named", ("institute", Role.OBSERVER)),
    "colleague": person("colleague", ("uni", Role.OBSERVER)),
    "coordinator": person("coordinator", (LAB, Role.COORDINATOR)),
    "stranger": person("stranger", ("institute", Role.PARTNER_LEAD)),
    "former": person("former"),
    "rule": Actor.automatic("sweep"),
}


@pytest.mark.parametrize(
    ("marking", "readers"),
    [
        (Tlp.RED, {"named"}),
        (Tlp.AMBER_STRICT, {"named", "colleague"}),
        (Tlp.AMBER, {"named", "colleague", "coordinator"}),
        (Tlp.GREEN, {"named", "colleague", "coordinator", "stranger"}),
        (Tlp.CLEAR, set(READERS)),
    ],
)
def test_each_label_admits_exactly_its_audience(marking: Tlp, readers: set[str]) -> None:
    audience = Audience(marking=marking, institution_id="uni", named=("named", "former"))
    assert {name for name, actor in READERS.items() if audience.admits(actor)} == readers
    assert audience.describe()


def test_derived_objects_take_the_most_restrictive_marking() -> None:
    assert most_restrictive(Tlp.GREEN, Tlp.RED, Tlp.CLEAR) is Tlp.RED
    assert most_restrictive() is DEFAULT_MARKING
