"""Vetting on screen: handed in, reviewed by another, revoked, exported, taken over, and who relies on it."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from agreements.actors import LAB, Role
from agreements.canonical import sha256_hex
from agreements.clauses import Vetting
from agreements.errors import ConcordatError, Invalid
from agreements.keys import SigningKey
from agreements.passport_credential import credential_for, sign_passport
from agreements.vetting import Evidence, ItemStatus, VettingItem
from portal.pages.inbox import tasks_for
from portal.pages.passport_forms import typed_key, typed_links
from tests.portal.pages.life_world import let_pass, terms
from tests.portal.pages.pages_world import World, click, said

IDENTITY, TRAINING = VettingItem.IDENTITY, VettingItem.TRAINING
SUBMIT = "passport.submit:northfield:identity"


def handed_in(world: World, item: VettingItem = IDENTITY, institution: str = "northfield") -> None:
    world.portal.passports.submit(
        world.actor(world.lead if institution == "northfield" else world.rival),
        institution,
        item=item,
        statement="As the register says.",
        evidence=[Evidence(label="Charter", sha256="a" * 64)],
    )


def vetted(world: World, item: VettingItem = IDENTITY, days: int = 365, institution: str = "northfield") -> None:
    handed_in(world, item, institution)
    world.portal.passports.review(
        world.actor(world.coordinator),
        institution,
        item=item,
        accepted=True,
        valid_until=world.portal.kernel.clock() + timedelta(days=days),
    )


def status_of(world: World, item: VettingItem = IDENTITY) -> ItemStatus:
    return world.portal.passports.state("northfield").standing(item, world.portal.kernel.clock()).status


def opened(world: World, role: str) -> AppTest:
    return world.screen(getattr(world, role), "passports", institution="northfield")


def test_the_lead_hands_in_with_digests_of_files_that_are_not_kept(world: World) -> None:
    app = world.screen(world.lead, "passports")
    assert "nothing handed in yet" in said(app).lower()
    app.text_area(key=f"{SUBMIT}.statement").set_value("A university since 1893.")
    app.text_area(key=f"{SUBMIT}.links").set_value("Register https://register.example/4711\nhttps://n.example/about")
    app.file_uploader(key=f"{SUBMIT}.files").upload("charter.pdf", b"%PDF", "application/pdf")
    click(app, f"{SUBMIT}.submit")
    (submission,) = world.portal.passports.state("northfield").record(IDENTITY).submissions
    assert [(one.label, one.sha256, one.url) for one in submission.evidence] == [
        ("charter.pdf", sha256_hex(b"%PDF"), None),
        ("Register", None, "https://register.example/4711"),
        ("n.example", None, "https://n.example/about"),
    ]
    assert "waits for review" in said(app)
    assert app.text_area(key=f"{SUBMIT}.statement.1").value == ""


def test_trained_people_are_named(world: World) -> None:
    app = world.screen(world.lead, "passports")
    form = "passport.submit:northfield:training"
    app.text_area(key=f"{form}.statement").set_value("A day of training in March.")
    app.text_area(key=f"{form}.people").set_value("Ada Lovell\n\n Ben Okoro ")
    click(app, f"{form}.submit")
    assert world.portal.passports.state("northfield").record(TRAINING).submissions[0].people == (
        "Ada Lovell",
        "Ben Okoro",
    )
    assert "Trained: Ada Lovell" in said(app)


def test_an_empty_statement_and_a_bad_address_are_refused(world: World) -> None:
    app = world.screen(world.lead, "passports")
    click(app, f"{SUBMIT}.submit")
    assert "bad_input" in said(app)
    app.text_area(key=f"{SUBMIT}.statement").set_value("A university since 1893.")
    app.text_area(key=f"{SUBMIT}.links").set_value("javascript:alert(1)")
    click(app, f"{SUBMIT}.submit")
    assert "bad_input" in said(app)
    assert status_of(world) is ItemStatus.MISSING


def test_a_member_reads_and_is_offered_nothing_to_change(world: World) -> None:
    vetted(world)
    app = world.screen(world.member, "passports")
    words = said(app)
    assert "Passport of Northfield University" in words
    assert "Cora Meridian" in words
    assert not app.main.text_area
    assert not [button for button in app.main.button if button.label in ("Revoke", "Accept", "Hand it in")]


def test_a_coordinator_finds_what_waits_and_accepts_it_until_a_day(world: World) -> None:
    handed_in(world)
    words = said(world.screen(world.coordinator, "passports"))
    assert "Waiting for review: 1" in words
    assert "handed in by Ada Lovell" in words
    app = opened(world, "coordinator")
    form = "passport.accept:northfield:identity:1"
    app.date_input(key=f"{form}.until").set_value(date(2027, 1, 31))
    click(app, f"{form}.submit")
    standing = world.portal.passports.state("northfield").standing(IDENTITY, world.portal.kernel.clock())
    assert standing.valid_until == datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert "**1** of 5" in "\n".join(str(bar.proto.text) for bar in app.get("progress"))
    assert "Nothing waits for review" in said(world.screen(world.coordinator, "passports"))


def test_a_coordinator_returns_it_only_with_a_reason(world: World) -> None:
    handed_in(world)
    app = opened(world, "coordinator")
    form = "passport.return:northfield:identity:1"
    click(app, f"{form}.submit")
    assert "reason_missing" in said(app)
    app.text_area(key=f"{form}.reason").set_value("The charter is of another body.")
    click(app, f"{form}.submit")
    assert status_of(world) is ItemStatus.RETURNED
    assert "of another body" in said(opened(world, "lead"))


def test_nobody_reviews_what_they_handed_in_themselves(world: World) -> None:
    app = opened(world, "coordinator")
    app.text_area(key=f"{SUBMIT}.statement").set_value("Handed over on paper.")
    click(app, f"{SUBMIT}.submit")
    assert "another coordinator reviews it" in said(app)
    assert "passport.accept:northfield:identity:1.submit" not in {button.key for button in app.button}
    second = world.portal.people.register(
        world.actor(world.coordinator), name="Dora Lab", email="dora@lab.example", memberships=[(LAB, Role.COORDINATOR)]
    )
    app = world.screen(second, "passports", institution="northfield")
    click(app, "passport.accept:northfield:identity:1.submit")
    assert status_of(world) is ItemStatus.VALID


def test_a_review_is_of_what_was_read(world: World) -> None:
    handed_in(world)
    app = opened(world, "coordinator")
    handed_in(world)
    click(app, "passport.accept:northfield:identity:1.submit")
    assert status_of(world) is ItemStatus.SUBMITTED
    assert "passport.accept:northfield:identity:2.submit" in {button.key for button in app.button}


def test_revoking_says_what_follows_and_needs_a_reason(world: World) -> None:
    vetted(world)
    app = opened(world, "coordinator")
    form = "passport.revoke:northfield:identity"
    click(app, f"{form}.open")
    assert "counts no more" in said(app)
    assert "No agreement asks for it now." in said(app)
    click(app, f"{form}.confirm")
    assert status_of(world) is ItemStatus.VALID
    app.text_area(key=f"{form}.reason").set_value("The charter was withdrawn.")
    click(app, f"{form}.confirm")
    assert status_of(world) is ItemStatus.REVOKED
    words = said(opened(world, "lead"))
    assert "charter was withdrawn" in words
    assert "accepted 1 until" in words


def test_it_is_taken_along_as_a_credential_once_something_counts(world: World) -> None:
    assert "Once an item counts" in said(opened(world, "lead"))
    vetted(world)
    links = [element.proto.url for element in opened(world, "lead").get("link_button")]
    assert links == ["/api/passports/northfield/export"]


def foreign(world: World, subject: str = "Northfield University") -> tuple[bytes, SigningKey]:
    """What another portal says of an institution of that name, and that portal's key."""
    vetted(world, institution="open-press")
    key = SigningKey.generate()
    institution = world.portal.institutions.get("open-press").model_copy(update={"name": subject})
    passport = world.portal.passports.state("open-press")
    credential = credential_for(
        passport, institution, issuer_name="Other Lab", issuer_key=key.public, now=world.portal.kernel.clock()
    )
    return json.dumps(sign_passport(credential, key).to_json()).encode(), key


def taking_over(world: World, data: bytes, key: str) -> AppTest:
    app = opened(world, "coordinator")
    form = "passport.import:northfield"
    app.file_uploader(key=f"{form}.file").upload("passport.json", data, "application/json")
    app.text_input(key=f"{form}.key").set_value(key)
    click(app, f"{form}.submit")
    return app


def test_a_credential_from_elsewhere_counts_on_the_issuers_word(world: World) -> None:
    data, key = foreign(world)
    app = taking_over(world, data, key.public.raw.hex())
    assert status_of(world) is ItemStatus.VALID
    words = said(app)
    assert "on the word of **Other Lab**" in words
    assert key.public.raw.hex() in words


def test_a_credential_under_another_key_or_name_is_refused(world: World) -> None:
    data, key = foreign(world, subject="Northfield Uni")
    other = SigningKey.generate().public.raw.hex()
    assert "bad_signature" in said(taking_over(world, data, other))
    assert "bad_public_key" in said(taking_over(world, data, "nonsense"))
    app = taking_over(world, data, key.public.raw.hex())
    assert "other_subject" in said(app)
    assert status_of(world) is ItemStatus.MISSING
    app.checkbox(key="passport.import:northfield.confirmed").check()
    click(app, "passport.import:northfield.submit")
    assert status_of(world) is ItemStatus.VALID


def test_without_a_file_there_is_nothing_to_take_over(world: World) -> None:
    app = opened(world, "coordinator")
    click(app, "passport.import:northfield.submit")
    assert "no_file" in said(app)


def test_it_says_which_agreements_ask_for_what_and_what_is_missing(world: World) -> None:
    vetted(world)
    clause = Vetting(
        clause_id="vetting",
        title="Vetting",
        text="Vetted: {items}, with {grace_days} days.",
        items=frozenset({IDENTITY, TRAINING}),
        grace_days=7,
    )
    service, lab = world.portal.agreements, world.actor(world.coordinator)
    drafted = service.draft(
        lab, institution_id="northfield", clauses=[*terms({}), clause.model_dump(mode="json")], title="Vetted access"
    )
    service.offer(lab, drafted.id)
    words = said(opened(world, "lead"))
    assert "Asks for identity, training." in words
    assert "Does not count today: training." in words


def test_the_passport_of_another_institution_is_not_there(world: World) -> None:
    vetted(world)
    assert "passport_not_found" in said(opened(world, "rival"))
    assert "passport_not_found" in said(world.screen(world.coordinator, "passports", institution="nowhere"))
    assert "Charter" not in said(world.screen(world.rival, "passports"))


def test_what_waits_for_review_and_what_lapses_waits_at_home(world: World) -> None:
    def waiting(role: str) -> list[str]:
        at, actor = world.portal.kernel.clock(), world.actor(getattr(world, role))
        return [task.text for task in tasks_for(world.portal, actor, at) if task.screen == "passports"]

    assert waiting("lead") == waiting("coordinator") == []
    handed_in(world)
    assert waiting("coordinator") == ["**Identity** of **Northfield University** waits for review."]
    vetted(world, days=40)
    assert waiting("lead") == waiting("coordinator") == []
    let_pass(world, 20)
    assert "lapses in 20 days" in waiting("lead")[0]
    let_pass(world, 30)
    assert "lapsed on" in waiting("lead")[0]
    assert waiting("member") == []


@given(st.text(max_size=300))
def test_typed_addresses_and_keys_are_taken_or_refused(text: str) -> None:
    for read in (typed_links, typed_key):
        try:
            read(text)
        except Invalid as refusal:
            assert refusal.code
        except ConcordatError:
            pytest.fail("another refusal")
