"""Whatever both sides do, in whatever order: nothing enters into force unsigned, and nothing on record is ever lost."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agreements.actors import Actor
from agreements.agreement import (
    AGREEMENT,
    AddComment,
    Agreement,
    AgreementCommand,
    AgreementStatus,
    Change,
    Close,
    Counter,
    DecideAppeal,
    Decline,
    EditDraft,
    FileAppeal,
    LapseAppeal,
    Lift,
    Narrow,
    Offer,
    PartyKind,
    Propose,
    Sign,
    Suspend,
    Suspension,
    Terminate,
    Version,
    VersionStatus,
    Widen,
    Withdraw,
)
from agreements.agreement.events import AgreementEnteredIntoForce, AgreementSigned
from agreements.clauses import Amendments, SuspensionReason, only
from agreements.deciders import Event, Value
from agreements.dsse import add_signature
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, VerificationError
from agreements.scopes import Operation
from tests.agreements.parties import NOW
from tests.agreements.paths import (
    ABE,
    ADA,
    APPEALS,
    BEA,
    BEN,
    CLEO,
    DAN,
    EVERYBODY,
    FOUR,
    KEYS,
    LADDER,
    STRANGE_KEY,
    TEXTS,
    digest,
    done,
    drafting,
    holds,
    next_to_sign,
    places,
    replayed,
    sealed,
    signed_by_all,
    signing,
    text,
)

ENDINGS = {
    VersionStatus.SUPERSEDED,
    VersionStatus.REPLACED,
    VersionStatus.DECLINED,
    VersionStatus.WITHDRAWN,
}
"""From these no version comes back."""

CONSEQUENCES = {
    "status",
    "document",
    "digest",
    "tabled_at",
    "signatures",
    "effective_at",
    "replaced_at",
    "grace_ends_at",
    "drop_reason",
}
"""The fields of a version that what happens to it fills in; the others are the text itself."""

CLOSING = {
    "suspension": {"lifted_at", "lifted_by", "lifted_by_name", "lift_reason", "appeal"},
    "appeal": {"outcome", "decided_by", "decided_by_name", "decided_at", "reasons"},
    "narrowing": {"widened_at", "widened_by", "widened_by_name", "widen_reason"},
}
"""The fields that close a record; once filled in they stay."""


def assert_kept(before: Value, after: Value, closing: set[str]) -> None:
    """Nothing of a record changed but what closes it, and that only from nothing."""
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        assert old == new or (name in closing and not old), f"{type(before).__name__}.{name}: {old!r} became {new!r}"


def assert_suspension_kept(before: Suspension, after: Suspension) -> None:
    """A suspension and its appeal are kept."""
    if before.appeal is not None:
        assert after.appeal is not None
        assert_kept(before.appeal, after.appeal, CLOSING["appeal"])
        after = after.model_copy(update={"appeal": before.appeal})
    assert_kept(before, after, CLOSING["suspension"])


def assert_version_kept(before: Version, after: Version) -> None:
    """What was tabled stays word for word; signatures are only added, an ended version stays as it ended."""
    if before.tabled_at is not None:
        words = {name: getattr(before, name) for name in Version.model_fields if name not in CONSEQUENCES}
        assert {name: getattr(after, name) for name in words} == words
        assert (after.document, after.digest, after.tabled_at) == (before.document, before.digest, before.tabled_at)
    assert after.number == before.number
    assert after.signatures[: len(before.signatures)] == before.signatures
    if before.effective_at is not None:
        assert after.effective_at == before.effective_at
        assert after.signatures == before.signatures
    if before.status in ENDINGS:
        assert after == before


def assert_history_kept(before: Agreement, after: Agreement) -> None:
    """Every list only grows at its end, and what was closed stays as it was closed."""
    for old, new in zip(before.versions, after.versions[: len(before.versions)], strict=True):
        assert_version_kept(old, new)
    assert after.comments[: len(before.comments)] == before.comments
    for one, other in zip(before.suspensions, after.suspensions[: len(before.suspensions)], strict=True):
        assert_suspension_kept(one, other)
    for narrowed, still in zip(before.narrowings, after.narrowings[: len(before.narrowings)], strict=True):
        assert_kept(narrowed, still, CLOSING["narrowing"])
    for name in ("id", "institution_id", "form", "template_id", "drafted_at", "in_force_at", "ended_at", "closed_at"):
        old = getattr(before, name)
        assert old in {None, ""} or getattr(after, name) == old


def assert_signed_by_both(version: Version) -> None:
    """Every place is signed, in order, each over the very bytes of this version's document."""
    assert version.document is not None
    assert [one["data"] for one in version.document["clauses"]] == [c.model_dump(mode="json") for c in version.clauses]
    assert version.document["title"] == version.title
    assert version.digest == digest(version.document)
    assert [signature.party for signature in version.signatures] == [place.party for place in version.order]
    assert {signature.party for signature in version.signatures} == set(PartyKind)
    for signature in version.signatures:
        assert signature.public_key in {key.public.raw.hex() for key in KEYS[signature.party]}
        assert signature.document_digest == version.digest
        assert holds(signature.envelope, signature.public_key, version.document)


DAYS = st.integers(0, 12)
WHICH = st.integers(0, len(TEXTS) - 1)
"""Which of the texts."""
ACTORS = st.sampled_from(EVERYBODY)
WORDS = "Words that say why, at sufficient length."


class Paths(RuleBasedStateMachine):
    """Both sides, several people, two rules of the portal and strangers do whatever they can think of."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.stored: list[tuple[str, dict[str, Any]]] = []
        self.state = Agreement()

    @initialize(which=WHICH, agreed=st.booleans(), change=st.sampled_from([None, *Change]))
    def begin(self, which: int, agreed: bool, change: Change | None) -> None:
        """Half of the histories begin with an agreement in force, most of them with a change of it on the table."""
        self.attempt(drafting(TEXTS[which]), ADA)
        if agreed:
            self.agree()
        if change is not None:
            self.now += timedelta(days=25)
            new = Propose(change=change, title="Changed", clauses=TEXTS[2], template_version=1, note="To be clearer.")
            self.attempt(new, ADA)
            self.attempt(Offer(), ADA)

    def attempt(self, command: AgreementCommand, actor: Actor) -> None:
        """Do it or be refused; either way the past stands."""
        before = self.state
        try:
            events = AGREEMENT.decide(before, command, actor, self.now)
        except ConcordatError as refusal:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", refusal.code)
            assert refusal.message
            return
        after = before
        for event in events:
            self.assert_fair(after, event, command)
            after = AGREEMENT.evolve(after, event)
        assert_history_kept(before, after)
        if isinstance(command, Suspend) and before.suspension is not None:
            assert after.suspension is not None
            assert after.suspension.takes_effect_at <= before.suspension.takes_effect_at
        self.stored += [(event.type_name, json.loads(json.dumps(event.body()))) for event in events]
        self.state = after

    def assert_fair(self, before: Agreement, event: Event, command: AgreementCommand) -> None:
        """Only an open version is signed, over its own bytes; only by a signature does anything enter into force."""
        if isinstance(event, AgreementSigned):
            open_now = before.versions[-1]
            assert open_now.status in {VersionStatus.OFFERED, VersionStatus.SIGNED}
            assert event.signature.document_digest == open_now.digest
        if isinstance(event, AgreementEnteredIntoForce):
            assert isinstance(command, Sign)
            assert_signed_by_both(before.versions[-1])

    @rule()
    def fall_out(self) -> None:
        """A suspension that is appealed, which the lab then answers or not."""
        self.attempt(Suspend(reason=SuspensionReason.BREACH_OF_TERMS, statement=WORDS), ADA)
        self.attempt(FileAppeal(number=len(self.state.suspensions), text=WORDS), BEN)

    @rule(hours=st.sampled_from([1, 24, 24 * 3]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(actor=ACTORS, which=WHICH, title=st.sampled_from(["Terms", "Other terms"]))
    def put_words(self, actor: Actor, which: int, title: str) -> None:
        self.attempt(EditDraft(title=title, clauses=TEXTS[which]), actor)
        self.attempt(Counter(title=title, clauses=TEXTS[which], note=WORDS), actor)

    @rule(actor=st.sampled_from([ADA, ABE, BEN, CLEO, LADDER]))
    def offer(self, actor: Actor) -> None:
        self.attempt(Offer(), actor)

    @rule(
        actor=st.sampled_from([ADA, BEN, BEA, DAN, CLEO]),
        change=st.sampled_from(Change),
        which=WHICH,
        title=st.sampled_from(["Terms", "New terms"]),
    )
    def propose(self, actor: Actor, change: Change, which: int, title: str) -> None:
        self.attempt(Propose(change=change, title=title, clauses=TEXTS[which], template_version=1, note=WORDS), actor)

    @rule()
    def agree(self) -> None:
        """As people do who want to: the lab offers, everybody signs."""
        self.attempt(Offer(), ADA)
        while (awaited := next_to_sign(self.state)) is not None:
            party, who = awaited
            signed = len(self.state.versions[-1].signatures)
            self.attempt(signing(self.state, party), who)
            if len(self.state.versions[-1].signatures) == signed:
                return

    @rule(change=st.sampled_from([Change.AMENDMENT, Change.RENEWAL]), which=WHICH, days=DAYS)
    def change_together(self, change: Change, which: int, days: int) -> None:
        """An amendment or a renewal that both sides want."""
        self.now += timedelta(days=days)
        self.attempt(Propose(change=change, title="Changed", clauses=TEXTS[which], template_version=1), BEN)
        self.agree()

    @rule(actor=ACTORS, party=st.sampled_from(PartyKind), second_key=st.booleans())
    def sign(self, actor: Actor, party: PartyKind, second_key: bool) -> None:
        self.attempt(signing(self.state, party, key=KEYS[party][second_key]), actor)

    @rule(second_key=st.booleans(), missing=st.sampled_from([(), ("no vetting",)]))
    def sign_in_turn(self, second_key: bool, missing: tuple[str, ...]) -> None:
        if (awaited := next_to_sign(self.state)) is not None:
            party, who = awaited
            command = signing(self.state, party, key=KEYS[party][second_key])
            self.attempt(command.model_copy(update={"missing": missing}), who)

    @rule(
        actor=ACTORS,
        party=st.sampled_from(PartyKind),
        key=st.sampled_from([STRANGE_KEY, *KEYS[PartyKind.LAB], *KEYS[PartyKind.INSTITUTION]]),
        kind=st.sampled_from(["type", "twice", "payload"]),
        in_turn=st.booleans(),
    )
    def forge(self, actor: Actor, party: PartyKind, key: Any, kind: str, in_turn: bool) -> None:
        """Keys of others, other payload types, more signatures than one, other bytes: none of it signs anything."""
        tabled = self.state.proposal or self.state.shown
        genuine = self.state.document_bytes(tabled.number)
        envelope = {
            "type": sealed(genuine, key, "application/json"),
            "twice": add_signature(sealed(genuine, key), STRANGE_KEY) if key is not STRANGE_KEY else sealed(b"", key),
            "payload": sealed(genuine[:-1] + b" }", key),
        }[kind]
        awaited = next_to_sign(self.state) if in_turn else None
        side, who = awaited or (party, actor)
        stored = len(self.stored)
        self.attempt(signing(self.state, side, envelope=envelope), who)
        self.attempt(signing(self.state, side, key=STRANGE_KEY), who)
        assert len(self.stored) == stored

    @rule(which=st.integers(0, 20), party=st.sampled_from(PartyKind), actor=ACTORS, in_turn=st.booleans())
    def sign_what_is_gone(self, which: int, party: PartyKind, actor: Actor, in_turn: bool) -> None:
        """A good signature over a version that is no longer on the table."""
        gone = [version for version in self.state.versions if not version.status.is_open]
        if not gone:
            return
        awaited = next_to_sign(self.state) if in_turn else None
        side, who = awaited or (party, actor)
        stale = self.state.document_bytes(gone[which % len(gone)].number)
        stored = len(self.stored)
        self.attempt(signing(self.state, side, envelope=sealed(stale, KEYS[side][0])), who)
        assert len(self.stored) == stored

    @rule(actor=ACTORS, clause_id=st.sampled_from([None, "term", "nowhere"]))
    def comment(self, actor: Actor, clause_id: str | None) -> None:
        self.attempt(AddComment(text=WORDS, clause_id=clause_id), actor)

    @rule(
        actor=ACTORS,
        command=st.sampled_from([Decline(reason="Not so."), Withdraw(reason="Taken back.")]),
        really=st.integers(0, 11),
    )
    def drop(self, actor: Actor, command: AgreementCommand, really: int) -> None:
        if self.state.governing is not None or really == 0:
            self.attempt(command, actor)

    @rule(
        actor=st.sampled_from([ADA, BEN, LADDER, CLEO]),
        reason=st.sampled_from(SuspensionReason),
        number=st.integers(0, 3),
    )
    def suspend(self, actor: Actor, reason: SuspensionReason, number: int) -> None:
        self.attempt(Suspend(reason=reason, statement=WORDS, duty_keys=(f"duty/{number}",)), actor)

    @rule(actor=ACTORS, number=st.integers(0, 3))
    def lift(self, actor: Actor, number: int) -> None:
        self.attempt(Lift(number=number, reason="Cleared up."), actor)

    @rule(actor=st.sampled_from([BEN, BEA, ADA, CLEO]), last=st.booleans())
    def appeal(self, actor: Actor, last: bool) -> None:
        self.attempt(FileAppeal(number=len(self.state.suspensions) if last else 1, text=WORDS), actor)

    @rule(actor=st.sampled_from([ADA, ABE, BEN, APPEALS]), upheld=st.booleans(), last=st.booleans())
    def answer_appeal(self, actor: Actor, upheld: bool, last: bool) -> None:
        number = len(self.state.suspensions) if last else 1
        self.attempt(DecideAppeal(number=number, upheld=upheld, reasons=WORDS), actor)
        self.attempt(LapseAppeal(number=number), actor)

    @rule(actor=st.sampled_from([ADA, LADDER, BEN]), operation=st.sampled_from(Operation), widen=st.booleans())
    def measure(self, actor: Actor, operation: Operation, widen: bool) -> None:
        if widen:
            self.attempt(Widen(reason="Done since."), actor)
        else:
            self.attempt(
                Narrow(operations=frozenset({operation}), requests_per_minute=1, statement=WORDS, duty_keys=("a/1",)),
                actor,
            )

    @rule(actor=st.sampled_from([ADA, BEN, DAN]), really=st.integers(0, 11))
    def terminate(self, actor: Actor, really: int) -> None:
        if really == 0:
            self.attempt(Terminate(reason="It is over."), actor)

    @rule(actor=st.sampled_from([ADA, BEN]), fulfilled=st.booleans(), still=st.sampled_from([(), ("report",)]))
    def close(self, actor: Actor, fulfilled: bool, still: tuple[str, ...]) -> None:
        self.attempt(Close(fulfilled=fulfilled, note=WORDS, open_duties=still), actor)

    @invariant()
    def versions_are_in_order(self) -> None:
        versions = self.state.versions
        assert [version.number for version in versions] == list(range(1, len(versions) + 1))
        assert not any(version.status.is_open for version in versions[:-1])
        assert sum(version.status is VersionStatus.IN_FORCE for version in versions) <= 1
        digests = [version.digest for version in versions if version.digest is not None]
        assert len(set(digests)) == len(digests)
        effective = [version.effective_at for version in versions if version.effective_at is not None]
        assert effective == sorted(effective)

    @invariant()
    def whatever_governs_was_signed_by_both(self) -> None:
        for version in self.state.versions:
            governed = version.status in {VersionStatus.IN_FORCE, VersionStatus.REPLACED}
            assert (version.effective_at is not None) == governed
            if governed:
                assert_signed_by_both(version)
        runs = self.state.status in {AgreementStatus.IN_FORCE, AgreementStatus.TERMINATED, AgreementStatus.CLOSED}
        assert runs == (self.state.governing is not None)

    @invariant()
    def what_was_replaced_has_its_grace(self) -> None:
        for version in self.state.versions:
            assert (version.status is VersionStatus.REPLACED) == (version.replaced_at is not None)
            if version.replaced_at is not None:
                clause = only(version.clauses, Amendments)
                days = clause.grace_days if clause is not None else 0
                assert version.grace_ends_at == version.replaced_at + timedelta(days=days)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        if self.state.status in {AgreementStatus.TERMINATED, AgreementStatus.CLOSED}:
            assert self.state.proposal is None
            assert not self.state.in_force_on(self.now)

    @invariant()
    def no_appeal_is_left_without_an_answer(self) -> None:
        for entry in self.state.suspensions:
            assert entry.lifted_at is None or entry.appeal is None or entry.appeal.outcome is not None

    @invariant()
    def at_most_one_measure_of_each_kind_is_open(self) -> None:
        for asked in (True, False):
            assert sum(entry.requested is asked for entry in self.state.open_suspensions) <= 1
        assert sum(entry.widened_at is None for entry in self.state.narrowings) <= 1
        for record in (self.state.comments, self.state.suspensions, self.state.narrowings):
            assert [entry.number for entry in record] == list(range(1, len(record) + 1))

    def teardown(self) -> None:
        assert replayed(self.stored) == self.state
        assert Agreement.model_validate_json(self.state.model_dump_json()) == self.state


TestPaths = Paths.TestCase
TestPaths.settings = settings(max_examples=70, stateful_step_count=40)


def in_force(*changed: Any) -> Agreement:
    """An agreement over a text, signed by all."""
    state = done(Agreement(), drafting(changed[0] if changed else TEXTS[1]), ADA, NOW)
    return signed_by_all(done(state, Offer(), ADA, NOW), NOW)


def test_several_sign_in_their_order_and_the_last_one_puts_it_in_force() -> None:
    state = done(done(Agreement(), drafting(text(signatories=FOUR)), ADA, NOW), Offer(), ADA, NOW)
    for party, who in ((PartyKind.INSTITUTION, BEA), (PartyKind.LAB, ABE), (PartyKind.INSTITUTION, BEN)):
        state = done(state, signing(state, party), who, NOW)
        assert state.status is AgreementStatus.SIGNED
        assert not state.in_force_on(NOW)
    state = done(state, signing(state, PartyKind.LAB), ADA, NOW)
    assert state.in_force_on(NOW)
    assert [signature.signer_id for signature in state.signatures] == ["per_bea", "per_abe", "per_ben", "per_ada"]


@pytest.mark.parametrize(
    ("so_far", "party", "actor", "kind", "code"),
    [
        ([], PartyKind.LAB, ABE, Conflict, "wrong_agreement_status"),
        ([], PartyKind.INSTITUTION, BEN, Forbidden, "other_signatory"),
        ([BEA], PartyKind.INSTITUTION, BEN, Conflict, "wrong_agreement_status"),
        ([BEA, ABE], PartyKind.INSTITUTION, BEA, Conflict, "signed_already"),
        ([BEA, ADA, BEN], PartyKind.LAB, ADA, Conflict, "signed_already"),
        ([BEA, ABE, BEN], PartyKind.LAB, ABE, Forbidden, "other_signatory"),
        ([BEA, ABE, BEN], PartyKind.LAB, BEN, Forbidden, "not_coordinator"),
        ([], PartyKind.INSTITUTION, CLEO, Forbidden, "not_signatory"),
    ],
)
def test_a_signature_out_of_place_is_refused(
    so_far: list[Actor], party: PartyKind, actor: Actor, kind: type[ConcordatError], code: str
) -> None:
    state = done(done(Agreement(), drafting(text(signatories=FOUR)), ADA, NOW), Offer(), ADA, NOW)
    for who in so_far:
        side = PartyKind.LAB if who.is_coordinator else PartyKind.INSTITUTION
        state = done(state, signing(state, side), who, NOW)
    with pytest.raises(kind) as refused:
        done(state, signing(state, party), actor, NOW)
    assert refused.value.code == code


def test_an_address_is_the_same_in_capitals() -> None:
    order = places(("institution", "Ben@PEOPLE.example"), ("lab", None))
    state = done(done(Agreement(), drafting(text(signatories=order)), ADA, NOW), Offer(), ADA, NOW)
    assert done(state, signing(state, PartyKind.INSTITUTION), BEN, NOW).signatures[0].signer_id == "per_ben"


def test_a_superseded_version_cannot_be_signed() -> None:
    offered = done(done(Agreement(), drafting(TEXTS[0]), ADA, NOW), Offer(), ADA, NOW)
    over_the_first = signing(offered, PartyKind.INSTITUTION)
    countered = done(offered, Counter(title="Other terms", clauses=TEXTS[1]), BEN, NOW)
    taken_over = done(countered, Offer(), ADA, NOW)
    with pytest.raises(VerificationError) as refused:
        done(taken_over, over_the_first, BEN, NOW)
    assert refused.value.code == "other_document"
    with pytest.raises(Conflict) as too_early:
        done(countered, signing(countered, PartyKind.INSTITUTION), BEN, NOW)
    assert too_early.value.code == "wrong_agreement_status"


@pytest.mark.parametrize("command", [Decline(reason="Not so."), Withdraw(reason="Taken back.")])
def test_what_was_dropped_cannot_be_signed_and_says_why(command: Decline | Withdraw) -> None:
    governing = in_force()
    change = Propose(
        change=Change.AMENDMENT, title="New terms", clauses=TEXTS[3], template_version=1, note="To be clearer."
    )
    offered = done(done(governing, change, ADA, NOW), Offer(), ADA, NOW)
    over_it = signing(offered, PartyKind.INSTITUTION)
    dropped = done(offered, command, BEN if isinstance(command, Decline) else ADA, NOW)
    assert dropped.in_force_on(NOW)
    assert dropped.governing == governing.governing
    assert (dropped.versions[-1].note, dropped.versions[-1].drop_reason) == ("To be clearer.", command.reason)
    with pytest.raises(Conflict):
        done(dropped, over_it, BEN, NOW)


def test_the_replaced_version_cannot_be_signed_again() -> None:
    first = in_force()
    over_the_first = signing(first, PartyKind.INSTITUTION)
    change = Propose(change=Change.AMENDMENT, title="New terms", clauses=TEXTS[3], template_version=1)
    second = signed_by_all(done(done(first, change, ADA, NOW), Offer(), ADA, NOW), NOW)
    assert [version.status for version in second.versions] == [VersionStatus.REPLACED, VersionStatus.IN_FORCE]
    with pytest.raises(Conflict):
        done(second, over_the_first, BEN, NOW)
    third = done(done(second, change.model_copy(update={"clauses": TEXTS[1]}), ADA, NOW), Offer(), ADA, NOW)
    with pytest.raises(VerificationError) as refused:
        done(third, over_the_first, BEN, NOW)
    assert refused.value.code == "other_document"


def test_an_amendment_that_changes_nothing_is_refused() -> None:
    state = in_force()
    same = Propose(change=Change.AMENDMENT, title=state.title, clauses=state.clauses, template_version=1)
    with pytest.raises(Invalid) as refused:
        done(state, same, BEN, NOW)
    assert refused.value.code == "nothing_changed"


def test_closing_the_books_ends_what_was_still_negotiated() -> None:
    state = in_force()
    change = Propose(change=Change.AMENDMENT, title="New terms", clauses=TEXTS[3], template_version=1)
    state = done(done(state, change, ADA, NOW), Offer(), ADA, NOW)
    assert state.expires_at is not None
    closed = done(state, Close(fulfilled=True), ADA, state.expires_at)
    assert closed.versions[-1].status is VersionStatus.WITHDRAWN
    with pytest.raises(Conflict):
        done(closed, Counter(title="Still talking", clauses=TEXTS[1]), BEN, state.expires_at)


def test_what_was_stored_before_there_were_versions_reads_as_it_did() -> None:
    state = in_force(TEXTS[0])
    old = [
        (name, {key: value for key, value in body.items() if key not in {"document", "form", "framework", "note"}})
        for name, body in stored_by(TEXTS[0])
    ]
    early = {"term_starts_at", "grace_ends_at"}
    old = [(name, {key: value for key, value in body.items() if key not in early}) for name, body in old]
    assert replayed(old) == state


def stored_by(clauses: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events of an agreement that was drafted, offered and signed by both."""
    stored: list[tuple[str, dict[str, Any]]] = []
    state = Agreement()
    steps: list[tuple[Any, Actor]] = [(lambda _: drafting(clauses), ADA), (lambda _: Offer(), ADA)]
    steps += [(lambda s: signing(s, PartyKind.INSTITUTION), BEN), (lambda s: signing(s, PartyKind.LAB), ABE)]
    for command, actor in steps:
        events = AGREEMENT.decide(state, command(state), actor, NOW)
        stored += [(event.type_name, event.body()) for event in events]
        state = AGREEMENT.fold(events, state)
    return stored
