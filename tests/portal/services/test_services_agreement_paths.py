"""Both sides in any order through the service, on a real file: what was acknowledged is what is on record."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from agreements.agreement import PAYLOAD_TYPE, Agreement, Change, PartyKind
from agreements.dsse import sign
from agreements.errors import ConcordatError
from portal.services.aggregates import AGREEMENTS
from portal.store import Append, Committed
from tests.agreements.paths import STRANGE_KEY, clause_data, digest, holds
from tests.portal.services.world import World

WHO = st.sampled_from(["ada", "ben", "cleo", "dan", "olga"])
TEXTS = [
    list(clause_data(**changed).values())
    for changed in ({}, {"amendments": {"grace_days": 7}}, {"term": {"days": 40}}, {"feedback": {"every_weeks": 2}})
]
WHICH = st.sampled_from(TEXTS)
WORDS = "Words that say why, at sufficient length."

Body = tuple[str, dict[str, Any]]


class Paths(RuleBasedStateMachine):
    """An agreement of its own in each run; one portal for all of them."""

    world: ClassVar[World]
    acknowledged: ClassVar[dict[str, list[Body]]]

    @initialize(clauses=WHICH, agreed=st.booleans())
    def begin(self, clauses: Sequence[object], agreed: bool) -> None:
        """Half of the histories begin with an agreement in force."""
        self.service = self.world.portal.agreements
        ada = self.world.actor("ada")
        self.id = self.service.draft(ada, institution_id="north", clauses=clauses).id
        if agreed:
            self.agree()

    @property
    def state(self) -> Agreement:
        """As the lab sees it."""
        return self.service.get(self.world.actor("ada"), self.id)

    @property
    def stream(self) -> str:
        """Where its events are."""
        return AGREEMENTS.decider.stream(self.id)

    def attempt(self, name: str, who: str, **fields: Any) -> None:
        """Do it or be refused; a refusal records nothing."""
        before = len(self.acknowledged[self.stream])
        try:
            getattr(self.service, name)(self.world.actor(who), self.id, **fields)
        except ConcordatError as refusal:
            assert refusal.code
            assert len(self.acknowledged[self.stream]) == before

    @rule(hours=st.sampled_from([1, 24, 24 * 9]))
    def wait(self, hours: int) -> None:
        self.world.clock.advance(hours=hours)

    @rule(who=WHO, clauses=WHICH, title=st.sampled_from(["Terms", "Other terms"]))
    def put_words(self, who: str, clauses: Sequence[object], title: str) -> None:
        self.attempt("edit", who, title=title, clauses=clauses)
        self.attempt("counter", who, title=title, clauses=clauses)

    @rule(who=WHO)
    def offer(self, who: str) -> None:
        self.attempt("offer", who)

    @rule(who=WHO, change=st.sampled_from([Change.AMENDMENT, Change.RENEWAL]), clauses=WHICH)
    def propose(self, who: str, change: Change, clauses: Sequence[object]) -> None:
        self.attempt("propose", who, change=change, clauses=clauses, title="Changed")

    @rule(who=WHO, right=st.booleans())
    def sign(self, who: str, right: bool) -> None:
        tabled = self.state.proposal or self.state.shown
        stale = self.state.versions[0].digest
        shown = (tabled.digest if right else stale) or "sha256:0"
        self.attempt("sign", who, typed_name=self.world.actor(who).name, document_digest=shown)

    @rule()
    def agree(self) -> None:
        """As people do who want to."""
        self.attempt("offer", "ada")
        self.sign("ben", True)
        self.sign("ada", True)

    @rule(who=WHO, number=st.integers(0, 5))
    def forge(self, who: str, number: int) -> None:
        """A key that nobody registered signs nothing, whichever of the texts it is over."""
        versions = self.state.versions
        document = self.state.document_bytes(versions[number % len(versions)].number)
        before = len(self.acknowledged[self.stream])
        envelope = sign(PAYLOAD_TYPE, document, STRANGE_KEY).to_json()
        self.attempt("submit_signature", who, envelope=envelope)
        assert len(self.acknowledged[self.stream]) == before

    @rule(who=WHO, name=st.sampled_from(["decline", "withdraw", "terminate"]), really=st.integers(0, 4))
    def end(self, who: str, name: str, really: int) -> None:
        if self.state.governing is not None and (name != "terminate" or really == 0):
            self.attempt(name, who, reason=WORDS)

    @rule(who=WHO)
    def comment(self, who: str) -> None:
        self.attempt("comment", who, text=WORDS)

    @rule(who=WHO)
    def suspend(self, who: str) -> None:
        self.attempt("suspend", who, reason="breach_of_terms", statement=WORDS)
        self.attempt("lift", who, number=len(self.state.suspensions), reason=WORDS)

    @invariant()
    def nothing_is_in_force_but_what_both_signed(self) -> None:
        kept = {
            party: {key.public_key for key in self.world.portal.institutions.get(owner).keys}
            for party, owner in ((PartyKind.LAB, "lab"), (PartyKind.INSTITUTION, "north"))
        }
        for version in self.state.history:
            assert version.document is not None
            assert version.digest == digest(version.document)
            assert {signature.party for signature in version.signatures} == set(PartyKind)
            for signature in version.signatures:
                assert signature.public_key in kept[signature.party]
                assert signature.document_digest == version.digest
                assert holds(signature.envelope, signature.public_key, version.document)

    @invariant()
    def what_was_acknowledged_is_on_record_in_order(self) -> None:
        assert on_record(self.world, self.stream) == self.acknowledged[self.stream]


def on_record(world: World, stream: str) -> list[Body]:
    """The stream as the file has it."""
    found: list[Body] = []
    after = -1
    while page := world.portal.store.events(stream, after=after, limit=500):
        found += [(entry.event.type_name, entry.event.body()) for entry in page]
        after = page[-1].position
    return found


def test_no_path_through_the_service_skips_a_signature_or_loses_an_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, acknowledged = world.portal.store, dict[str, list[Body]]()
    commit = store.commit

    def recorded(appends: Sequence[Append], **more: Any) -> Committed:
        done = commit(appends, **more)
        for append in () if done.replayed else appends:
            told = [(event.type_name, event.body()) for event in append.events]
            acknowledged.setdefault(append.stream, []).extend(told)
        return done

    monkeypatch.setattr(store, "commit", recorded)
    machine = type("Here", (Paths,), {"world": world, "acknowledged": acknowledged})
    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=25))
    in_force = [stream for stream, told in acknowledged.items() if "agreement:entered_into_force" in dict(told)]
    assert in_force
    world.reopen(crash=True)
    for stream, told in acknowledged.items():
        assert on_record(world, stream) == told
