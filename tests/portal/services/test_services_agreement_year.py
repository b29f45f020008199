"""A year under one agreement, day by day: amended, narrowed, suspended, appealed, renewed, ended, books closed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import httpx
import pytest
from typer.main import get_command

from agreements.access import Allowed
from agreements.actors import LAB, Actor, Role
from agreements.agreement import Agreement, AgreementStatus, Change, VersionStatus
from agreements.errors import Conflict, Forbidden, Invalid, Limited
from agreements.grants import Grant
from agreements.scopes import Operation
from agreements.standard_terms import templates
from portal.api.rest.application import create_api
from portal.api.root import create_app
from portal.cli.app import app
from portal.services.agreements import AgreementService
from portal.store.verify import verify_store
from tests.portal.services.world import World, ask

GENERATE, SCORE, LOGPROBS = Operation.GENERATE, Operation.SCORE, Operation.LOGPROBS
BIAS = "bias-analysis"
NEW_YEAR = datetime(2027, 1, 1, 9, tzinfo=UTC)

CLAUSES: dict[str, dict[str, Any]] = {
    "permitted_uses": {"checkpoints": ["ladder-l"], "operations": ["generate", "score", "logprobs"]},
    "feedback": {"every_weeks": 4},
    "late_duties": {
        "remind_days_before": 7,
        "narrow_after_days": 7,
        "narrowed_operations": ["generate"],
        "narrowed_requests_per_minute": 5,
        "suspend_after_days": 21,
    },
    "safe_harbour": {"notice_hours": 48, "appeal_days": 14, "decision_days": 10, "on_silence": "stands"},
    "amendments": {"grace_days": 30},
    "term": {"days": 170, "renewals": 1, "renewal_window_days": 60},
    "final_report": {"within_days": 10},
    "termination": {"destruction_days": 15},
}
"""What the year's agreement says besides the usual terms."""

AMENDED: dict[str, dict[str, Any]] = {
    **CLAUSES,
    "permitted_uses": {"checkpoints": ["ladder-l", "ladder-xl"], "operations": ["generate", "score"]},
}


def clauses(changed: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The first usual terms with these clauses changed or added, as data."""
    first = next(one for one in templates() if (one.template_id, one.version) == ("software-access", 1))
    data: dict[str, dict[str, Any]] = {clause.kind: clause.model_dump(mode="json") for clause in first.clauses}
    for kind, values in changed.items():
        fresh = {"kind": kind, "clause_id": kind.replace("_", "-"), "title": "A clause", "text": "It is agreed."}
        data[kind] = {**data.get(kind, fresh), **values}
    return list(data.values())


# What is asked every day at noon, and from which day on what is answered. Written down from the clauses and from what
# happens in ``HAPPENINGS``, without looking at what the portal computes.
EXPECTED: dict[str, dict[str, str]] = {
    "a screen generates": {
        "01-01": "no_grant",
        "01-05": "grant",
        "06-16": "agreement_suspended",
        "06-19": "grant",
        "09-17": "agreement_suspended",
        "10-01": "grant",
        "12-10": "grant_expired",
    },
    "a screen scores": {
        "01-01": "no_grant",
        "01-05": "grant",
        "05-31": "access_narrowed",
        "06-16": "agreement_suspended",
        "06-19": "access_narrowed",
        "06-21": "grant",
        "09-17": "agreement_suspended",
        "10-01": "grant",
        "12-10": "grant_expired",
    },
    "a screen wants logprobs": {
        "01-01": "no_grant",
        "01-05": "grant",
        "04-14": "operation_not_granted",
        "06-16": "agreement_suspended",
        "06-19": "operation_not_granted",
        "09-17": "agreement_suspended",
        "10-01": "operation_not_granted",
        "12-10": "grant_expired",
    },
    "a screen tries the new checkpoint": {
        "01-01": "no_grant",
        "01-05": "checkpoint_not_granted",
        "03-16": "grant",
        "06-16": "agreement_suspended",
        "06-19": "grant",
        "09-17": "agreement_suspended",
        "10-01": "grant",
        "12-10": "grant_expired",
    },
    "the token of January": {
        "01-05": "grant",
        "04-14": "agreement_superseded",
        "06-16": "agreement_suspended",
        "06-19": "agreement_superseded",
        "09-17": "agreement_suspended",
        "10-01": "agreement_superseded",
        "12-10": "grant_expired",
    },
    "a new token each day for the grant that was too wide": {
        "01-05": "grant",
        "04-14": "agreement_superseded",
        "06-16": "no token",
        "06-19": "agreement_superseded",
        "06-23": "no token",
    },
    "the token of March": {
        "03-16": "grant",
        "06-16": "agreement_suspended",
        "06-19": "grant",
        "07-22": "agreement_superseded",
        "09-17": "agreement_suspended",
        "10-01": "agreement_superseded",
        "12-10": "grant_expired",
    },
    "the token of June": {
        "06-23": "grant",
        "09-17": "agreement_suspended",
        "10-01": "grant",
        "12-10": "grant_expired",
    },
    "another institution": {"01-01": "no_grant"},
    "the lab": {"01-01": "lab"},
}


def expected(question: str, day: date) -> str | None:
    """What the table says; None before the question can be asked."""
    return next((code for since, code in reversed(EXPECTED[question].items()) if f"{day:%m-%d}" >= since), None)


@dataclass
class Year:
    """The people, the agreement, and what they hold."""

    world: World
    agreement_id: str = ""
    grants: dict[str, Grant] = field(default_factory=dict)
    bearers: dict[str, Actor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.world
        world.clock.now = NEW_YEAR
        world.people["abe"] = world.portal.people.register(
            self.ada, name="Abe", email="abe@lab.example", memberships=[(LAB, Role.COORDINATOR)]
        )
        for checkpoint_id in ("ladder-l", "ladder-xl"):
            world.checkpoint(checkpoint_id)

    @property
    def ada(self) -> Actor:
        return self.world.actor("ada")

    @property
    def ben(self) -> Actor:
        return self.world.actor("ben")

    @property
    def agreement(self) -> Agreement:
        return self.world.portal.agreements.get(self.ada, self.agreement_id)

    def signed(self) -> None:
        """Offered by the lab, then signed by both."""
        service = self.world.portal.agreements
        service.offer(self.ada, self.agreement_id)
        for actor in (self.ben, self.ada):
            digest = self.agreement.versions[-1].digest or ""
            service.sign(actor, self.agreement_id, typed_name=actor.name, document_digest=digest)

    def grant(self, name: str, operations: set[Operation], checkpoint_id: str = "ladder-l") -> None:
        """A grant until the end of the term."""
        widest = self.world.portal.grants.bounds(self.ada, self.agreement_id)
        scope = widest.model_copy(
            update={
                "operations": frozenset(operations),
                "checkpoints": frozenset({checkpoint_id}),
                "purposes": frozenset({BIAS}),
            }
        )
        self.grants[name] = self.world.portal.grants.issue(
            self.ada, agreement_id=self.agreement_id, label=f"The {name} grant", scope=scope
        )

    def bearer(self, grant: str) -> Actor:
        """Whom a token that is issued now for a grant speaks for, as the portal authenticates it."""
        cleo = self.world.actor("cleo")
        issued = self.world.portal.tokens.issue(cleo, label="notebook", grant_id=self.grants[grant].id)
        return self.world.portal.tokens.authenticate(issued.token).actor

    # ---- what happens ----------------------------------------------------------------------------------------------

    def agree(self) -> None:
        draft = self.world.portal.agreements.draft(self.ada, institution_id="north", clauses=clauses(CLAUSES))
        self.agreement_id = draft.id
        self.signed()

    def grant_in_january(self) -> None:
        self.grant("narrow", {GENERATE, SCORE})
        self.grant("wide", {GENERATE, SCORE, LOGPROBS})
        self.bearers["the token of January"] = self.bearer("narrow")

    def amend(self) -> None:
        """The institution proposes, the lab takes it over; the narrow grant goes on, the wide one does not."""
        self.world.portal.agreements.propose(
            self.ben, self.agreement_id, change=Change.AMENDMENT, clauses=clauses(AMENDED), note="One model more."
        )
        self.signed()

    def grant_in_march(self) -> None:
        self.grant("new", {GENERATE}, "ladder-xl")
        self.bearers["the token of March"] = self.bearer("narrow")

    def feedback(self) -> None:
        """Everything that is due by now and not done yet."""
        due = [
            view
            for view in self.world.portal.duties.of_agreement(self.ben, self.agreement_id)
            if view.standing.state.is_open
            and view.standing.duty.kind.value == "feedback"
            and view.standing.due_at <= self.world.clock()
        ]
        for view in due:
            self.world.portal.duties.fulfil(
                self.ben, self.agreement_id, view.standing.duty.key, statement="What we found, null results included."
            )

    def appeal(self) -> None:
        suspension = self.agreement.suspension
        assert suspension is not None
        self.world.portal.agreements.appeal(
            self.ben, self.agreement_id, number=suspension.number, text="We were at it; it is coming next week."
        )

    def uphold(self) -> None:
        self._decide("abe", upheld=True)

    def dismiss(self) -> None:
        """Not by Ada, who suspended."""
        with pytest.raises(Forbidden) as refused:
            self._decide("ada", upheld=False)
        assert refused.value.code == "own_suspension"
        self._decide("abe", upheld=False)

    def _decide(self, name: str, *, upheld: bool) -> None:
        self.world.portal.agreements.decide_appeal(
            self.world.actor(name),
            self.agreement_id,
            number=len(self.agreement.suspensions),
            upheld=upheld,
            reasons="Both sides were heard on it.",
        )

    def renew(self) -> None:
        self.world.portal.agreements.propose(self.ada, self.agreement_id, change=Change.RENEWAL)
        self.signed()

    def token_in_june(self) -> None:
        self.bearers["the token of June"] = self.bearer("narrow")

    def suspend(self) -> None:
        self.world.portal.agreements.suspend(
            self.ada, self.agreement_id, reason="suspected_misuse", statement="A prompt pattern that needs explaining."
        )

    def lift(self) -> None:
        self.world.portal.agreements.lift(self.ada, self.agreement_id, number=2, reason="It was explained.")

    def hand_in(self, kind: str) -> None:
        (view,) = (
            view
            for view in self.world.portal.duties.of_agreement(self.ben, self.agreement_id)
            if view.standing.duty.kind.value == kind and view.standing.state.is_open
        )
        self.world.portal.duties.fulfil(
            self.ben, self.agreement_id, view.standing.duty.key, statement="Here it is, in full and as agreed."
        )

    def report(self) -> None:
        self.hand_in("final_report")

    def close_too_early(self) -> None:
        with pytest.raises(Conflict) as refused:
            self.close()
        assert refused.value.code == "duties_open"

    def destroy(self) -> None:
        self.hand_in("destruction")

    def close(self) -> None:
        self.world.portal.agreements.close(self.ada, self.agreement_id, fulfilled=True, note="All in order.")

    # ---- what is asked ---------------------------------------------------------------------------------------------

    def answer(self, question: str) -> str:
        cleo, generate = self.world.actor("cleo"), frozenset({GENERATE})
        match question:
            case "a screen generates":
                return self._code(cleo, generate)
            case "a screen scores":
                return self._code(cleo, frozenset({SCORE}))
            case "a screen wants logprobs":
                return self._code(cleo, frozenset({LOGPROBS}))
            case "a screen tries the new checkpoint":
                return self._code(cleo, generate, "ladder-xl")
            case "another institution":
                return self._code(self.world.actor("eve"), generate)
            case "the lab":
                return self._code(self.ada, generate)
            case "a new token each day for the grant that was too wide":
                try:
                    return self._code(self.bearer("wide"), frozenset({LOGPROBS}))
                except Conflict as refused:
                    assert refused.code == "grant_not_active"
                    return "no token"
            case _:
                return self._code(self.bearers[question], generate)

    def _code(self, actor: Actor, operations: frozenset[Operation], checkpoint_id: str = "ladder-l") -> str:
        checkpoint = self.world.portal.checkpoints.state(checkpoint_id)
        found = self.world.portal.checkpoints.access(actor, checkpoint, operations, BIAS)
        return found.basis.value if isinstance(found, Allowed) else found.code

    def ran(self) -> str:
        """What really comes of a request: the ground of its run, or the code of the refusal."""
        try:
            begun = self.world.portal.runs.begin(self.world.actor("cleo"), "ladder-l", ask(), purpose=BIAS)
        except (Forbidden, Limited) as refused:
            return refused.code
        begun.result()
        return begun.terms.basis.value


HAPPENINGS: dict[str, tuple[Callable[[Year], None], ...]] = {
    "01-04": (Year.agree,),
    "01-05": (Year.grant_in_january,),
    "02-01": (Year.feedback,),
    "03-01": (Year.feedback,),
    "03-15": (Year.amend,),
    "03-16": (Year.grant_in_march,),
    "03-29": (Year.feedback,),
    "04-26": (Year.feedback,),
    # That of 24 May is missed: narrowed on the 31st, suspended on 14 June by a notice of 48 hours.
    "06-15": (Year.appeal,),
    "06-19": (Year.uphold,),
    "06-21": (Year.feedback,),
    "06-22": (Year.renew,),
    "06-23": (Year.token_in_june,),
    "07-19": (Year.feedback,),
    "08-16": (Year.feedback,),
    "09-13": (Year.feedback,),
    "09-15": (Year.suspend,),
    "09-18": (Year.appeal,),
    "09-22": (Year.dismiss,),
    "10-01": (Year.lift,),
    "10-11": (Year.feedback,),
    "11-08": (Year.feedback,),
    "12-06": (Year.feedback,),
    "12-12": (Year.report,),
    "12-14": (Year.close_too_early,),
    "12-15": (Year.destroy,),
    "12-18": (Year.close,),
}
"""What people do, each day at nine in the morning; the clockwork ticks right after."""

STANDS = {
    "01-04": AgreementStatus.IN_FORCE,
    "06-16": AgreementStatus.SUSPENDED,
    "06-19": AgreementStatus.IN_FORCE,
    "09-17": AgreementStatus.SUSPENDED,
    "10-01": AgreementStatus.IN_FORCE,
    "12-10": AgreementStatus.EXPIRED,
    "12-18": AgreementStatus.CLOSED,
}
"""How the agreement stands at noon, from which day on."""


def test_on_every_day_of_a_year_the_right_people_get_in(world: World) -> None:
    year = Year(world)
    heads: list[str] = []
    signed: dict[int, object] = {}
    size = world.size
    while world.clock.now < NEW_YEAR + timedelta(days=365):
        morning = world.clock.now
        day = f"{morning:%m-%d}"
        for happening in HAPPENINGS.get(day, ()):
            happening(year)
        assert world.portal.clockwork.tick().failed == ()
        world.clock.advance(hours=3)
        asked = {question: expected(question, morning.date()) for question in EXPECTED}
        answered = {question: year.answer(question) for question, code in asked.items() if code is not None}
        assert answered == {question: code for question, code in asked.items() if code is not None}, day
        if day in EXPECTED["a screen generates"]:
            assert year.ran() == answered["a screen generates"], day
        if day >= "01-04":
            stands = next(status for since, status in reversed(STANDS.items()) if day >= since)
            assert year.agreement.status_on(world.clock.now) is stands, day
            for version in year.agreement.versions:
                kept = (version.document, version.digest, version.signatures)
                assert signed.setdefault(version.number, kept) == kept, day
        assert world.size >= size
        size = world.size
        heads.append(world.portal.log.head())
        world.clock.now = morning + timedelta(days=1)
    assert len(heads) == 365
    _assert_recorded(year)
    verify_store(world.portal.store, world.portal.log.vkey, known_heads=heads).require()


def _assert_recorded(year: Year) -> None:
    """The whole year is in the record: three versions, two suspensions with their appeals, one narrowing."""
    agreement = year.agreement
    assert [version.status for version in agreement.versions] == [
        VersionStatus.REPLACED,
        VersionStatus.REPLACED,
        VersionStatus.IN_FORCE,
    ]
    assert [version.change for version in agreement.versions] == [Change.FIRST, Change.AMENDMENT, Change.RENEWAL]
    first, second = agreement.suspensions
    assert (first.automatic, first.by_id, first.lifted_by_name) == (True, "auto:duty-ladder", "Abe")
    assert (second.automatic, second.by_name, second.lifted_by_name) == (False, "Ada", "Ada")
    assert [entry.appeal and entry.appeal.outcome for entry in agreement.suspensions] == ["upheld", "dismissed"]
    (narrowing,) = agreement.narrowings
    assert (narrowing.by_id, narrowing.widened_by) == ("auto:duty-ladder", "auto:duty-ladder")
    assert f"{narrowing.at:%m-%d}..{narrowing.widened_at:%m-%d}" == "05-31..06-21"
    assert (agreement.fulfilled, agreement.close_note) == (True, "All in order.")
    events = year.world.portal.store.events(f"agreement/{agreement.id}")
    assert [entry.version for entry in events] == list(range(1, len(events) + 1))
    assert [entry.at for entry in events] == sorted(entry.at for entry in events)
    opened = {view.grant.id: view for view in year.world.portal.grants.list(year.ada)}
    assert opened[year.grants["narrow"].id].grant.agreement_digest == agreement.document_digest
    assert opened[year.grants["wide"].id].grant.agreement_digest == agreement.versions[0].digest


def test_without_a_grace_the_next_request_under_the_old_version_is_refused_with_the_reason(world: World) -> None:
    year = Year(world)
    without = {kind: values for kind, values in CLAUSES.items() if kind != "amendments"}
    year.agreement_id = world.portal.agreements.draft(year.ada, institution_id="north", clauses=clauses(without)).id
    year.signed()
    year.grant("narrow", {GENERATE})
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=year.grants["narrow"].id).token

    def run() -> None:
        bearer = world.portal.tokens.authenticate(token).actor
        world.portal.runs.begin(bearer, "ladder-l", ask(), purpose=BIAS).result()

    run()
    world.clock.advance(hours=1)
    world.portal.agreements.propose(year.ada, year.agreement_id, change=Change.AMENDMENT, title="Terms, amended")
    year.signed()
    with pytest.raises(Forbidden) as refused:
        run()
    assert refused.value.code == "agreement_superseded"
    assert "version 1" in refused.value.message
    assert "new token" in refused.value.hint
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook", grant_id=year.grants["narrow"].id).token
    run()


@pytest.mark.parametrize("until", ["offered", "signed", "in_force"])
def test_no_service_edits_or_takes_away_what_was_tabled(world: World, until: str) -> None:
    agreement, service, ada = world.agreement(until=until), world.portal.agreements, world.actor("ada")
    verbs = {name.partition("_")[0] for name in vars(AgreementService) if not name.startswith("_")}
    assert verbs.isdisjoint({"delete", "remove", "replace", "update", "rename", "overwrite", "purge", "erase"})
    size = world.size
    with pytest.raises(Conflict) as refused:
        service.edit(ada, agreement.id, title="Other terms", clauses=clauses(CLAUSES))
    assert refused.value.code == "wrong_agreement_status"
    if until != "offered":
        for actor in (ada, world.actor("ben")):
            with pytest.raises((Conflict, Forbidden)):
                service.counter(actor, agreement.id, clauses=clauses(CLAUSES))
            if until == "signed":
                continue  # nobody is bound before the last signature: one may still say no, which keeps what was signed
            with pytest.raises((Conflict, Forbidden)):
                service.decline(actor, agreement.id, reason="Second thoughts.")
    assert world.size == size
    assert service.get(ada, agreement.id) == agreement


def test_a_text_declined_after_a_signature_keeps_the_signature(world: World) -> None:
    agreement, service = world.agreement(until="signed"), world.portal.agreements
    declined = service.decline(world.actor("ben"), agreement.id, reason="Second thoughts.")
    (before,), (after,) = agreement.versions, declined.versions
    assert after.status is VersionStatus.DECLINED
    assert (after.document, after.digest, after.signatures) == (before.document, before.digest, before.signatures)
    assert service.export(world.actor("ben"), agreement.id)["signatures"]
    with pytest.raises(Conflict):
        service.sign(world.actor("ada"), agreement.id, typed_name="Ada", document_digest=before.digest or "")


def test_the_api_has_no_way_to_delete_an_agreement_and_one_way_to_edit_a_draft(world: World) -> None:
    paths = create_api(world.portal, None).openapi()["paths"]
    found = {(method, path) for path, methods in paths.items() for method in methods if "agreements" in path}
    assert ("post", "/agreements/{agreement_id}/sign") in found
    writing = {(method, path) for method, path in found if method not in {"get", "post"}}
    assert writing == {("put", "/agreements/{agreement_id}")}


@pytest.mark.parametrize("until", ["offered", "signed", "in_force"])
@pytest.mark.parametrize(("method", "status"), [("PUT", 409), ("DELETE", 405), ("PATCH", 405)])
def test_what_was_tabled_is_beyond_the_api(world: World, until: str, method: str, status: int) -> None:
    agreement, size = world.agreement(until=until), world.size
    token = world.portal.tokens.issue(world.actor("ada"), label="script").token
    body = {"title": "Other terms", "clauses": clauses(CLAUSES)}

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(world.portal, with_screens=False))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
            address, headers = f"/api/agreements/{agreement.id}", {"authorization": f"Bearer {token}"}
            return await client.request(method, address, json=body, headers=headers)

    assert asyncio.run(send()).status_code == status
    assert world.size == size + 1  # the token
    assert world.portal.agreements.get(world.actor("ada"), agreement.id) == agreement


def test_the_command_line_has_no_way_to_take_away_what_was_signed() -> None:
    commands = set(get_command(app).commands["agreement"].commands)  # type: ignore[attr-defined]  # a group of commands
    assert {"show", "sign", "export"} <= commands
    assert commands.isdisjoint({"delete", "remove", "rm", "update", "replace", "unsign", "purge", "reset"})


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM event WHERE type = 'agreement:signed'",
        "UPDATE event SET body = replace(body, 'ben', 'eve') WHERE type = 'agreement:signed'",
        "UPDATE event SET version = version + 1",
        "DELETE FROM log_head",
    ],
)
def test_the_database_refuses_to_change_what_was_signed(world: World, sql: str) -> None:
    agreement = world.agreement()
    before = world.portal.store.events(f"agreement/{agreement.id}")
    with pytest.raises(Invalid) as tried:
        world.portal.store.between_transactions(lambda connection: connection.execute(sql))
    assert isinstance(tried.value.__cause__, duckdb.Error)
    assert "is append-only" in str(tried.value.__cause__)
    with pytest.raises(Invalid) as refused:
        world.portal.store.query(sql)
    assert refused.value.code == "bad_query"
    assert world.portal.store.events(f"agreement/{agreement.id}") == before
    verify_store(world.portal.store, world.portal.log.vkey).require()


def test_a_state_changed_behind_the_portals_back_is_found(world: World) -> None:
    agreement = world.agreement()
    changed = "UPDATE state SET body = replace(body, 'North University', 'Nowhere University') WHERE stream = ?"
    world.portal.store.between_transactions(
        lambda connection: connection.execute(changed, [f"agreement/{agreement.id}"])
    )
    report = verify_store(world.portal.store, world.portal.log.vkey)
    assert report.fault is not None
    assert (report.fault.table, report.fault.key) == ("state", f"agreement/{agreement.id}")
