"""The log of accesses: complete for who is entitled to it, empty for all others, and provable leaf by leaf."""

import csv
import hashlib
import io
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import LAB, Actor, Role
from agreements.canonical import b64decode
from agreements.credentials import SignInMethod
from agreements.errors import Conflict, Forbidden, Invalid, NotFound, Withdrawn
from agreements.inclusion import verify
from agreements.merkle import leaf_hash
from agreements.narrowing import Narrowing
from model_access.runs import RunStatus
from portal.services.access_log_files import COLUMNS, FileFormat, write
from portal.services.access_log_views import AccessEntry, AccessFilter, AccessKind, Outcome
from portal.spreadsheets import defused
from tests.portal.services.request_world import opened, submitted
from tests.portal.services.usage_world import Past, delegated, record
from tests.portal.services.world import PURPOSE, START, World, ask

TODAY = START.date()


def _log(world: World, who: str, **where: Any) -> tuple[AccessEntry, ...]:
    return world.portal.access_log.page(world.actor(who), AccessFilter(**where), limit=500).entries


def _told(world: World, who: str, **where: Any) -> list[tuple[str, str, str]]:
    """Kind, outcome and whom it is about, oldest first."""
    return [(e.kind.value, e.outcome.value, e.person_name) for e in reversed(_log(world, who, **where))]


@pytest.fixture
def lived(world: World) -> World:
    """Something of every kind happened at north, and a little at south."""
    portal = world.portal
    world.checkpoint("ladder-l")
    root = world.grant(token_budget=1000)
    child = delegated(world, root, "cleo", "Cleo's part")
    cleo = world.actor("cleo")
    token = portal.tokens.issue(cleo, label="notebook", grant_id=child.id, purpose=PURPOSE)
    bearer = portal.tokens.look_up(token.token).actor
    portal.runs.begin(bearer, "ladder-l", ask(), purpose=PURPOSE).result()
    world.pool.holds = True
    portal.runs.begin(world.actor("ben"), "ladder-l", ask(), purpose=PURPOSE)
    world.pool.asked[-1].fail()
    world.pool.holds = False
    portal.tokens.narrow(cleo, token.record.id, narrowing=Narrowing(token_budget=10))
    portal.refresh.issue(world.actor("ben"), label="nightly", grant_id=root.id)
    portal.tokens.issue(world.actor("ben"), label="for all my role")
    portal.tokens.revoke(cleo, token.record.id)
    portal.grants.suspend(world.actor("ada"), child.id, reason="looked into")
    portal.grants.lift(world.actor("ada"), child.id, reason="it was nothing")
    assert root.scope is not None
    portal.grants.narrow(
        world.actor("ada"), root.id, scope=root.scope.model_copy(update={"token_budget": 900}), reason="=less()"
    )
    secret = portal.sessions.open(world.people["cleo"], method=SignInMethod.LINK).secret
    portal.sessions.sign_out(portal.sessions.id_of(secret))
    portal.sessions.open(world.people["eve"], method=SignInMethod.LINK)
    south = world.grant("south")
    portal.runs.begin(world.actor("eve"), "ladder-l", ask(), purpose=PURPOSE).result()
    portal.grants.revoke(world.actor("ada"), south.id, reason="over")
    return world


def test_a_lead_reads_everything_that_happened_to_the_institutions_access(lived: World) -> None:
    assert _told(lived, "ben") == [
        ("agreement", "entered_into_force", ""),
        ("grant", "issued", ""),
        ("grant", "delegated", "Cleo"),
        ("token", "issued", "Cleo"),
        ("run", "completed", "Cleo"),
        ("run", "failed", "Ben"),
        ("token", "narrowed", "Cleo"),
        ("token", "issued", "Ben"),
        ("token", "refreshed", "Ben"),
        ("token", "issued", "Ben"),
        ("token", "ended", "Cleo"),
        ("grant", "suspended", "Cleo"),
        ("grant", "suspension_lifted", "Cleo"),
        ("grant", "narrowed", ""),
        ("sign_in", "opened", "Cleo"),
        ("sign_in", "ended", "Cleo"),
    ]
    assert {entry.institution_id for entry in _log(lived, "ben")} <= {"north", ""}


def test_what_was_stopped_is_no_failure_in_its_words(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant()
    world.pool.holds = True
    given_up, withdrawn = (
        world.portal.runs.begin(world.actor("ben"), "ladder-l", ask(), purpose=PURPOSE) for _ in range(2)
    )
    first, second = world.pool.asked
    first.stop(completion_tokens=1)
    with pytest.raises(Conflict):
        given_up.result()
    told = threading.Event()
    world.pool.on_cancel = told.set
    world.portal.grants.revoke(world.actor("ada"), grant.id, reason="over")
    assert told.wait(60)
    second.stop(completion_tokens=1)
    with pytest.raises(Withdrawn):
        withdrawn.result()
    assert [(entry.says, entry.reason) for entry in _log(world, "ben", outcome=Outcome.FAILED)] == [
        ("A run was stopped: access was withdrawn while it ran.", "access_withdrawn"),
        ("A run was stopped by whoever made it.", "cancelled"),
    ]


def test_each_entry_says_who_and_what_and_where_it_is_proved(lived: World) -> None:
    (run,) = _log(lived, "ben", kind=AccessKind.RUN, outcome=Outcome.COMPLETED)
    (token,) = _log(lived, "cleo", kind=AccessKind.TOKEN, outcome=Outcome.ISSUED)
    assert (run.person_name, run.by_name, run.institution_name) == ("Cleo", "Cleo", "North University")
    assert (run.grant_label, run.checkpoint_id, run.purpose, run.operation) == (
        "Cleo's part",
        "ladder-l",
        PURPOSE,
        "generate",
    )
    assert (run.prompt_tokens, run.completion_tokens, run.charged_tokens, run.receipt) == (4, 4, 8, True)
    assert run.token == token.token == token.object_id
    assert len(run.token) < len("tok_") + 16
    (failed,) = _log(lived, "ben", outcome=Outcome.FAILED)
    assert (failed.reason, failed.receipt) == ("worker_died", False)
    assert [entry.leaf for entry in _log(lived, "ben", code="worker_died")] == [failed.leaf]
    log = lived.portal.access_log
    for entry in _log(lived, "ben"):
        if entry.kind is AccessKind.SIGN_IN:
            with pytest.raises(Forbidden) as refused:
                log.evidence(lived.actor("ben"), entry.leaf)
            assert refused.value.code == "leaf_only"
            continue
        proof = log.evidence(lived.actor("ben"), entry.leaf)
        assert verify(proof, lived.portal.log.vkey)["position"] == entry.leaf
        assert leaf_hash(b64decode(proof.entry)).hex() == entry.leaf_hash
    assert run.ended_leaf is not None
    assert verify(log.evidence(lived.actor("ben"), run.ended_leaf), lived.portal.log.vkey)["type"] == "run:completed"


def test_no_entry_is_closed_to_the_log_that_lists_it_and_none_opens_beside_it(lived: World) -> None:
    """Evidence is handed out for exactly what the list shows, to everybody."""
    log, size = lived.portal.access_log, lived.size
    for who in ("ben", "cleo", "dan"):
        listed = _log(lived, who)
        leaves = {entry.leaf for entry in listed} | {entry.ended_leaf for entry in listed}
        for leaf in range(-1, size + 2):
            try:
                log.evidence(lived.actor(who), leaf)
            except Forbidden:
                assert leaf in leaves
            except NotFound:
                assert leaf not in leaves
            else:
                assert leaf in leaves


@pytest.mark.parametrize(
    ("who", "kinds"),
    [
        ("cleo", {"run": 2, "token": 3, "grant": 5, "agreement": 1, "sign_in": 2}),
        ("nina", {"run": 2, "grant": 2, "agreement": 1}),
        ("dan", {"run": 1, "grant": 2, "agreement": 1, "sign_in": 1}),
        ("eve", {"run": 1, "grant": 2, "agreement": 1, "sign_in": 1}),
        ("rae", {}),
        ("olga", {}),
    ],
)
def test_others_read_what_concerns_them(lived: World, who: str, kinds: dict[str, int]) -> None:
    entries = _log(lived, who)
    found: dict[str, int] = {}
    for entry in entries:
        found[entry.kind.value] = found.get(entry.kind.value, 0) + 1
    assert found == kinds
    everything = {entry.leaf: entry for entry in _log(lived, "ada")}
    assert all(everything[entry.leaf].outcome is entry.outcome for entry in entries)


def test_coordinators_read_any_institutions(lived: World) -> None:
    north, south = _log(lived, "ada", institution="north"), _log(lived, "ada", institution="south")
    assert {entry.institution_id for entry in north} == {"north"}
    # A lead's token for the whole of a role is of no grant, and so of no institution's access.
    own = {e.leaf for e in _log(lived, "ben") if not e.institution_id}
    assert {entry.leaf for entry in _log(lived, "ben")} == {entry.leaf for entry in north} | own
    assert {entry.leaf for entry in _log(lived, "dan")} == {entry.leaf for entry in south}
    assert _log(lived, "dan", institution="north") == ()


def test_who_is_nobody_reads_nothing(lived: World) -> None:
    assert lived.portal.access_log.page(Actor(person_id="per_x", name="X")).entries == ()
    assert lived.portal.access_log.page(Actor.automatic("rule")).entries == ()


def test_filters_and_dates(lived: World) -> None:
    cleo = lived.people["cleo"].id
    concerned = _log(lived, "ben", person=cleo)
    assert {entry.person_name for entry in concerned} == {"Cleo"}
    assert {e.kind for e in _log(lived, "ben", kind=AccessKind.GRANT)} == {AccessKind.GRANT}
    by_ada = _log(lived, "ben", person=lived.people["ada"].id)
    assert {entry.by_name for entry in by_ada} == {"Ada"}
    assert {entry.kind for entry in _log(lived, "ben", checkpoint="ladder-l")} == {AccessKind.RUN}
    assert len(_log(lived, "ben", purpose=PURPOSE)) == 2
    whole = _log(lived, "ben")
    assert _log(lived, "ben", since=TODAY, until=TODAY) == whole
    assert _log(lived, "ben", since=TODAY + timedelta(days=1)) == ()
    assert _log(lived, "ben", until=TODAY - timedelta(days=1)) == ()
    for since, until, code in ((TODAY, TODAY - timedelta(days=1), "range_reversed"), (TODAY.min, None, "bad_date")):
        with pytest.raises(Invalid) as refused:
            _log(lived, "ben", since=since, until=until)
        assert refused.value.code == code


def test_pages_follow_one_another_while_the_log_grows(lived: World) -> None:
    log, ben = lived.portal.access_log, lived.actor("ben")
    whole = [entry.leaf for entry in log.page(ben, limit=500).entries]
    found, cursor = [], None
    while True:
        page = log.page(ben, cursor=cursor, limit=4)
        found += [entry.leaf for entry in page.entries]
        lived.portal.runs.begin(ben, "ladder-l", ask(max_tokens=1), purpose=PURPOSE).result()
        cursor = page.next
        if cursor is None:
            break
    assert found == whole
    for bad in ("x", "-1", "١", "9" * 20, ""):
        with pytest.raises(Invalid) as refused:
            log.page(ben, cursor=bad)
        assert refused.value.code == "bad_cursor"


def test_sign_ins_are_the_institutions_only_since_their_person_belongs_there_alone(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    mover = portal.people.register(ada, name="Max", email="max@x.example", memberships=[("south", Role.PARTNER_MEMBER)])
    both = portal.people.register(
        ada,
        name="Bo",
        email="bo@x.example",
        memberships=[("north", Role.PARTNER_MEMBER), (LAB, Role.RESEARCHER)],
    )
    portal.sessions.open(mover, method=SignInMethod.LINK)
    portal.sessions.open(both, method=SignInMethod.LINK)
    portal.people.add_membership(ada, mover.id, institution_id="north", role=Role.PARTNER_MEMBER)
    portal.people.remove_membership(ada, mover.id, institution_id="south", role=Role.PARTNER_MEMBER, reason="moved")
    portal.sessions.open(mover, method=SignInMethod.LINK)
    assert _told(world, "ben", kind=AccessKind.SIGN_IN) == [("sign_in", "opened", "Max")]
    assert _told(world, "dan", kind=AccessKind.SIGN_IN) == []
    assert len(_log(world, "ada", kind=AccessKind.SIGN_IN)) == 3
    world.people["mover"] = mover
    assert len(_log(world, "mover", kind=AccessKind.SIGN_IN)) == 2


def test_a_draft_that_was_withdrawn_is_nobodys_access(world: World) -> None:
    world.agreement(until="draft")
    offered = world.agreement(until="offered")
    world.portal.agreements.decline(world.actor("ben"), offered.id, reason="not now")
    assert _log(world, "ben", kind=AccessKind.AGREEMENT) == ()
    assert _log(world, "ada", kind=AccessKind.AGREEMENT) == ()


def test_no_secret_and_no_name_of_one_is_in_the_log(lived: World) -> None:
    rows = lived.portal.store.query("SELECT credential_id, kind FROM credential")
    said = json.dumps([entry.model_dump(mode="json") for entry in _log(lived, "ada")])
    assert not [row for row in rows if row["credential_id"] in said]


def test_files_hold_the_whole_log_with_the_digest_of_their_bytes(lived: World) -> None:
    entries = _log(lived, "ben")
    log, ben = lived.portal.access_log, lived.actor("ben")
    for file_format in FileFormat:
        file = write(log.all(ben), file_format)
        content = b"".join(file.chunks())
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert file.entries == len(entries)
        if file_format is FileFormat.JSONL:
            assert [AccessEntry.model_validate_json(line) for line in content.splitlines()] == list(entries)
        else:
            rows = list(csv.DictReader(io.StringIO(content.decode())))
            assert tuple(rows[0]) == COLUMNS
            assert [int(row["leaf"]) for row in rows] == [entry.leaf for entry in entries]
            assert "'=less()" in {row["reason"] for row in rows}


def test_a_large_log_is_written_whole(world: World) -> None:
    ben = world.people["ben"].id
    record(world, [Past(ben, START, status=RunStatus.STARTED) for _ in range(2500)])
    file = write(world.portal.access_log.all(world.actor("ben"), AccessFilter(kind=AccessKind.RUN)), FileFormat.JSONL)
    leaves = [json.loads(line)["leaf"] for line in b"".join(file.chunks()).splitlines()]
    assert len(set(leaves)) == 2500
    assert leaves == sorted(leaves, reverse=True)


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    assert not defused(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert defused(text).removeprefix("'") == text.removeprefix("'")


def test_what_was_asked_for_and_what_was_said_to_it_is_in_the_log(world: World) -> None:
    requests, ada = world.portal.access_requests, world.actor("ada")
    opened(world, "ben")
    refused, granted = submitted(world), submitted(world)
    requests.refuse(ada, refused.request.id, reason="The study is done already.")
    issued = requests.approve(ada, granted.request.id).request.granted
    assert issued is not None
    kind = AccessKind.REQUEST
    told = [
        ("access_request", "submitted", "Cleo"),
        ("access_request", "submitted", "Cleo"),
        ("access_request", "refused", "Cleo"),
        ("access_request", "approved", "Cleo"),
        ("access_request", "granted", "Cleo"),
    ]
    assert [_told(world, who, kind=kind) for who in ("ada", "ben", "cleo", "nina")] == [told] * 4
    assert _told(world, "eve", kind=kind) == []
    (no,) = _log(world, "ben", kind=kind, outcome=Outcome.REFUSED)
    assert (no.reason, no.by_name, no.object_id) == ("The study is done already.", "Ada", refused.request.id)
    (yes,) = _log(world, "ben", kind=kind, outcome=Outcome.GRANTED)
    assert yes.grant_id == (issued.delegated_id or issued.grant_id)
    log = world.portal.access_log
    for entry in _log(world, "nina", kind=kind):
        assert log.evidence(world.actor("nina"), entry.leaf).index == entry.leaf
        with pytest.raises(NotFound):
            log.evidence(world.actor("eve"), entry.leaf)
    drafts = [one.position for one in world.portal.store.events(types=["access_request:opened"])]
    for position in drafts:
        with pytest.raises(NotFound):
            log.evidence(ada, position)
