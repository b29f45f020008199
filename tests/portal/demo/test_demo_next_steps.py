"""What waits in the demonstration can be done: each next step that it shows goes the way the screens say."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agreements.actors import Actor, Channel
from agreements.agreement import Agreement, AgreementStatus
from agreements.errors import Conflict
from agreements.vetting import VettingItem
from portal import config
from portal.composition import Portal
from portal.demo.cast import COORDINATOR, LAKESIDE, MEMBERS


@pytest.fixture(scope="module")
def copy(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A demonstration of one's own, to go on with."""
    folder = tmp_path_factory.mktemp("next") / "data"
    shutil.copytree(made, folder)
    with Portal.open(config.load(folder)) as portal:
        yield portal


@pytest.fixture(scope="module")
def people(copy: Portal) -> dict[str, Actor]:
    """Everybody, by what the story calls them."""
    reader = copy.people.get(copy.people.coordinator_ids()[0]).actor(Channel.SCREEN)
    by_email = {person.email: person for person in copy.people.list(reader)}
    return {member.key: by_email[member.email].actor(Channel.SCREEN) for member in (COORDINATOR, *MEMBERS)}


def titled(copy: Portal, people: dict[str, Actor], title: str) -> Agreement:
    """The agreement whose title begins so."""
    (found,) = (one for one in copy.agreements.list(people["mara"]) if one.title.startswith(title))
    return found


def sign(copy: Portal, actor: Actor, agreement_id: str) -> Agreement:
    """One signature on what is on the table."""
    tabled = copy.agreements.get(actor, agreement_id).proposal
    assert tabled is not None
    return copy.agreements.sign(actor, agreement_id, typed_name=actor.name, document_digest=tabled.digest or "")


def test_the_lab_countersigns_estuarys_agreement(copy: Portal, people: dict[str, Actor]) -> None:
    agreement = titled(copy, people, "Safety evaluation of the largest")
    assert sign(copy, people["tobias"], agreement.id).status is AgreementStatus.IN_FORCE


def test_openwatch_signs_what_changed_and_its_grant_goes_on(copy: Portal, people: dict[str, Actor]) -> None:
    agreement = titled(copy, people, "Detection and misuse")
    sign(copy, people["elena"], agreement.id)
    signed = sign(copy, people["mara"], agreement.id)
    assert len(signed.history) == 3
    active = [view for view in copy.grants.list(people["elena"]) if view.active]
    assert [view.grant.agreement_digest for view in active] == [signed.document_digest]


def test_lakesides_text_comes_into_force_when_its_vetting_is_whole(copy: Portal, people: dict[str, Actor]) -> None:
    agreement = titled(copy, people, "Bias measurement")
    copy.agreements.offer(people["mara"], agreement.id)
    sign(copy, people["hannah"], agreement.id)
    with pytest.raises(Conflict, match="Conflicts of interest: nothing handed in yet"):
        sign(copy, people["mara"], agreement.id)
    valid_until = titled(copy, people, "Detection and misuse").expires_at
    copy.passports.submit(
        people["hannah"], LAKESIDE, item=VettingItem.CONFLICTS_OF_INTEREST, statement="None of us has any."
    )
    for item in (VettingItem.SIGNATORY_AUTHORITY, VettingItem.CONFLICTS_OF_INTEREST):
        copy.passports.review(people["tobias"], LAKESIDE, item=item, accepted=True, valid_until=valid_until)
    assert sign(copy, people["mara"], agreement.id).status is AgreementStatus.IN_FORCE


def test_the_lab_takes_over_estuarys_text(copy: Portal, people: dict[str, Actor]) -> None:
    agreement = titled(copy, people, "Safety evaluation of the two")
    copy.agreements.offer(people["mara"], agreement.id)
    sign(copy, people["malcolm"], agreement.id)
    assert len(sign(copy, people["mara"], agreement.id).history) == 2


def test_estuarys_overdue_feedback_is_waived_and_northgate_answers_the_lab(
    copy: Portal, people: dict[str, Actor]
) -> None:
    (owed,) = (view for view in copy.duties.board(people["malcolm"]) if view.standing.state.value == "overdue")
    assert "waive" in copy.duties.get(people["mara"], owed.agreement_id, owed.standing.duty.key).actions
    copy.duties.waive(people["mara"], owed.agreement_id, owed.standing.duty.key, reason="Their office moved.")
    (review,) = copy.publications.open_for(people["priya"])
    settled = copy.publications.accept(people["priya"], review.publication.id, 1, sha256=f"sha256:{'0' * 64}")
    assert [line.status.value for line in settled.redactions] == ["accepted"]
