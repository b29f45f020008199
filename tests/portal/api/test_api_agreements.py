"""An agreement's whole life over ``/api``, by people of both sides and on a clock that the tests move."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agreements.actors import LAB, Channel, Role
from agreements.canonical import b64decode, canonical_bytes
from agreements.dsse import sign
from agreements.keys import SigningKey
from portal.api.root import create_app
from tests.portal.api.api_stand import Stand
from tests.portal.services.world import PURPOSE, World, make_world

PAYLOAD_TYPE = "application/vnd.concordat.agreement.v1+json"
WORDS = "Enough words to say what happened."


@dataclass
class Table:
    """A portal with people of both sides, who speak to it over HTTP only."""

    world: World
    stand: Stand

    def renew(self) -> None:
        """Give everybody a fresh token: the old ones end after a day."""
        for name, person in self.world.people.items():
            issued = self.world.portal.tokens.issue(person.actor(Channel.CLI), label="tests")
            self.stand.tokens[name] = issued.token

    def later(self, **how: float) -> None:
        """Let time pass."""
        self.world.clock.advance(**how)
        self.renew()

    def good(self, method: str, path: str, who: str, body: object = None, **more: Any) -> Any:
        """The JSON of an answer that must be good."""
        answer = self.stand.ask(method, f"/api/agreements{path}", as_=who, json=body, **more)
        assert answer.is_success, answer.text
        return answer.json()

    def refused(self, method: str, path: str, who: str, body: object = None) -> tuple[int, str]:
        """Status and code of a typed refusal that wrote nothing."""
        before = self.world.size
        answer = self.stand.ask(method, f"/api/agreements{path}", as_=who, json=body)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        assert {"code", "detail", "status", "fixer"} <= set(problem)
        assert self.world.size == before
        return answer.status_code, problem["code"]

    def offered(self, **fields: Any) -> Any:
        """An agreement that the lab has put on the table for north."""
        drafted = self.good("POST", "", "ada", {"institution_id": "north", **fields})
        return self.good("POST", f"/{drafted['id']}/offer", "ada")

    def sign(self, agreement_id: str, who: str, version: int | None = None) -> Any:
        """Sign what is on the table, on screen."""
        seen = self.good("GET", f"/{agreement_id}", who)
        digest = seen["versions"][-1]["digest"] if version is None else seen["versions"][version - 1]["digest"]
        return self.good("POST", f"/{agreement_id}/sign", who, {"typed_name": who.title(), "document_digest": digest})

    def in_force(self, **fields: Any) -> Any:
        """An agreement with north that both have signed."""
        agreement_id = self.offered(**fields)["id"]
        self.sign(agreement_id, "ben")
        return self.sign(agreement_id, "ada")

    def complete(self, token: str) -> tuple[int, str]:
        """Ask the withheld checkpoint something; status, and the code of a refusal."""
        answer = self.stand.ask(
            "POST",
            "/v1/completions",
            headers={"authorization": f"Bearer {token}"},
            json={"model": "ladder-l", "prompt": "once upon a time", "max_tokens": 2},
        )
        return answer.status_code, "" if answer.is_success else answer.json()["error"]["code"]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    world = make_world(tmp_path)
    world.people["lee"] = world.portal.people.register(
        world.actor("ada"), name="Lee", email="lee@lab.example", memberships=[(LAB, Role.COORDINATOR)]
    )
    app = create_app(world.portal, with_screens=False)
    made = Table(world, Stand(portal=world.portal, app=app, people=world.people, tokens={}, grant_id=""))
    made.renew()
    yield made
    world.portal.close()


def changed(clauses: list[dict[str, Any]], clause_id: str, **fields: Any) -> list[dict[str, Any]]:
    """The clauses with one of them changed."""
    assert clause_id in {clause["clause_id"] for clause in clauses}
    return [{**clause, **fields} if clause["clause_id"] == clause_id else clause for clause in clauses]


# ---- negotiation -----------------------------------------------------------------------------------------------------


def test_both_sides_counter_until_they_agree(table: Table) -> None:
    first = table.offered()
    path, clauses = f"/{first['id']}", first["clauses"]
    asked = {"clauses": changed(clauses, "feedback", every_weeks=8), "note": "Four weeks are too short."}
    second = table.good("POST", f"{path}/counter", "ben", asked)
    assert [(v["number"], v["status"], v["proposed_by"]) for v in second["versions"]] == [
        (1, "superseded", "lab"),
        (2, "countered", "institution"),
    ]
    assert second["status"] == "countered"
    assert second["versions"][-1]["note"] == "Four weeks are too short."
    comment = {"text": "Six would do.", "clause_id": "feedback"}
    assert table.good("POST", f"{path}/comments", "ada", comment)["comments"][-1]["version"] == 2

    middle = {"clauses": changed(clauses, "feedback", every_weeks=6), "title": "Terms in the middle"}
    third = table.good("POST", f"{path}/counter", "ada", middle)
    assert (third["versions"][-1]["status"], third["title"]) == ("offered", "Terms in the middle")
    fourth = table.good("POST", f"{path}/counter", "ben", {"clauses": changed(clauses, "feedback", every_weeks=7)})
    digest = fourth["versions"][-1]["digest"]
    taken = table.good("POST", f"{path}/offer", "ada")
    assert (taken["versions"][-1]["number"], taken["versions"][-1]["digest"]) == (4, digest)

    stale = {"typed_name": "Ben", "document_digest": first["document_digest"]}
    assert table.refused("POST", f"{path}/sign", "ben", stale) == (400, "digest_differs")
    assert table.sign(first["id"], "ben")["status"] == "signed"
    done = table.sign(first["id"], "ada")
    assert (done["status"], done["document_digest"], done["proposal"]) == ("in_force", digest, None)
    assert [version["status"] for version in done["versions"]] == ["superseded"] * 3 + ["in_force"]
    read = table.good("GET", f"{path}/timeline", "cleo")["items"]
    assert [entry["at"] for entry in read] == sorted(entry["at"] for entry in read)
    assert "Four weeks are too short." in [entry["detail"] for entry in read]


def test_what_each_side_may_do_when(table: Table) -> None:
    offered = table.offered()
    path, clauses = f"/{offered['id']}", offered["clauses"]
    counter = {"clauses": changed(clauses, "feedback", every_weeks=8)}
    assert table.refused("POST", f"{path}/counter", "ada", counter) == (409, "wrong_agreement_status")
    assert table.refused("POST", f"{path}/counter", "cleo", counter) == (403, "not_signatory")
    assert table.refused("POST", f"{path}/counter", "ben", {"clauses": clauses}) == (400, "nothing_changed")
    assert table.refused("POST", f"{path}/counter", "ben", {"clauses": clauses * 9})[0] == 422
    assert table.refused("POST", f"{path}/counter", "ben", {"clauses": [{"kind": "no-such"}]})[0] == 400
    assert table.refused("PUT", path, "ada", {"title": "Other", **counter}) == (409, "wrong_agreement_status")
    assert table.refused("POST", f"{path}/comments", "ben", {"text": "x", "clause_id": "nope"}) == (
        400,
        "clause_unknown",
    )
    assert table.refused("POST", f"{path}/comments", "ben", {"text": "x" * 2001})[0] == 422
    assert table.refused("POST", f"{path}/decline", "ada", {"reason": "not now"}) == (403, "own_text")
    assert table.refused("POST", f"{path}/withdraw", "ben", {"reason": "not now"}) == (403, "not_own_text")
    table.good("POST", f"{path}/counter", "ben", counter)
    assert table.refused("POST", f"{path}/sign", "ben", {"typed_name": "Ben", "document_digest": "sha256:0"}) == (
        400,
        "digest_differs",
    )
    assert table.good("POST", f"{path}/decline", "lee", {"reason": "too far apart"})["status"] == "declined"
    assert table.refused("POST", f"{path}/counter", "ada", counter) == (409, "wrong_agreement_status")


def test_a_draft_is_edited_with_a_note_and_repeated_requests_change_nothing(table: Table) -> None:
    drafted = table.good("POST", "", "ada", {"institution_id": "north"})
    path = f"/{drafted['id']}"
    text = {"title": "Other terms", "clauses": drafted["clauses"], "note": "As we spoke."}
    edited = table.good("PUT", path, "lee", text)
    assert (edited["title"], edited["versions"][-1]["note"]) == ("Other terms", "As we spoke.")
    table.good("POST", f"{path}/offer", "ada")
    counter = {"clauses": changed(drafted["clauses"], "feedback", every_weeks=8)}
    key = {"Idempotency-Key": "counter-0001"}
    once = table.good("POST", f"{path}/counter", "ben", counter, headers=key)
    size = table.world.size
    again = table.good("POST", f"{path}/counter", "ben", counter, headers=key)
    assert (table.world.size, len(again["versions"])) == (size, len(once["versions"]))


# ---- changes of what is in force -------------------------------------------------------------------------------------


def test_tokens_under_the_old_version_work_for_the_grace_and_no_longer(table: Table) -> None:
    table.world.checkpoint("ladder-l")
    agreement = table.in_force()
    path = f"/{agreement['id']}"
    grant = table.world.portal.grants.issue(table.world.actor("ada"), agreement_id=agreement["id"], label="A study")

    def issue() -> str:
        cleo = table.world.people["cleo"].actor(Channel.CLI)
        return table.world.portal.tokens.issue(cleo, label="x", grant_id=grant.id, purpose=PURPOSE).token

    narrower = changed(agreement["clauses"], "permitted-uses", operations=["generate"])
    drafted = table.good("POST", f"{path}/proposals", "ada", {"change": "amendment", "clauses": narrower, "note": "Go"})
    assert (drafted["proposal"], drafted["versions"][-1]["status"]) == (2, "draft")
    foreseen = table.good("GET", f"{path}/consequences?action=amend", "ada")
    assert [(fate["grant"]["id"], fate["goes_on"]) for fate in foreseen["grants"]] == [(grant.id, False)]
    table.good("POST", f"{path}/offer", "ada")
    told = table.good("GET", f"{path}/changes", "cleo")
    assert [c["clause_id"] for c in told["clauses"] if c["kind"] != "same"] == ["permitted-uses"]

    exported = table.good("GET", f"{path}/versions/2/export", "ben")
    assert exported["document"]["amends"] == agreement["document_digest"]
    table.sign(agreement["id"], "ben")
    token = issue()
    amended = table.sign(agreement["id"], "ada")
    assert [version["status"] for version in amended["versions"]] == ["replaced", "in_force"]
    assert table.good("GET", f"{path}/versions/1", "cleo")["grace_ends_at"] == amended["versions"][0]["grace_ends_at"]
    assert table.good("GET", f"{path}/versions/1/export", "cleo")["document_digest"] == agreement["document_digest"]

    assert table.complete(token) == (200, "")
    table.later(days=13, hours=12)
    token = issue()
    assert table.complete(token) == (200, "")
    table.later(hours=12)
    assert table.complete(token) == (403, "agreement_superseded")


def test_the_institution_proposes_and_the_lab_answers(table: Table) -> None:
    agreement = table.in_force()
    path = f"/{agreement['id']}"
    wider = {"change": "amendment", "clauses": changed(agreement["clauses"], "feedback", every_weeks=12)}
    tabled = table.good("POST", f"{path}/proposals", "ben", wider)
    assert (tabled["status"], tabled["versions"][-1]["status"]) == ("in_force", "countered")
    assert table.refused("POST", f"{path}/proposals", "ada", wider) == (409, "proposal_open")
    table.good("POST", f"{path}/withdraw", "ben", {"reason": "we changed our mind"})
    assert table.refused("POST", f"{path}/proposals", "cleo", wider) == (403, "not_signatory")
    same = {"change": "amendment"}
    assert table.refused("POST", f"{path}/proposals", "ben", same) == (400, "nothing_changed")
    assert table.refused("POST", f"{path}/proposals", "ben", {"change": "first"})[0] == 422
    assert table.refused("POST", f"{path}/proposals", "ben", {"change": "renewal"}) == (409, "renewal_too_early")
    table.later(days=130)
    renewed = table.good("POST", f"{path}/proposals", "ben", {"change": "renewal", "note": "Once more."})
    table.good("POST", f"{path}/offer", "lee")
    table.sign(agreement["id"], "ben")
    done = table.sign(agreement["id"], "lee")
    assert (done["versions"][-1]["change"], done["versions"][-1]["number"]) == ("renewal", 3)
    assert done["expires_at"] > renewed["expires_at"]


def test_an_amendment_is_signed_with_keys_of_ones_own(table: Table) -> None:
    agreement = table.in_force()
    path = f"/{agreement['id']}"
    table.good("POST", f"{path}/proposals", "ada", {"change": "amendment", "title": "Terms, amended"})
    table.good("POST", f"{path}/offer", "ada")
    key = SigningKey.generate()
    challenge = f"/api/institutions/north/keys/challenge?public_key={key.public.raw.hex()}"
    asked = table.stand.ask("GET", challenge, as_="ben").json()["challenge_base64"]
    proof = {"public_key": key.public.raw.hex(), "proof": key.sign(b64decode(asked)).hex()}
    assert table.stand.ask("POST", "/api/institutions/north/keys", as_="ben", json=proof).is_success
    governing = table.good("GET", f"{path}/export", "ben")["document"]
    stale = sign(PAYLOAD_TYPE, canonical_bytes(governing), key).to_json()
    assert table.refused("POST", f"{path}/signatures", "ben", {"envelope": stale}) == (400, "other_document")
    document = table.good("GET", f"{path}/versions/2/export", "ben")["document"]
    envelope = sign(PAYLOAD_TYPE, canonical_bytes(document), key).to_json()
    signed = table.good("POST", f"{path}/signatures", "ben", {"envelope": envelope})
    assert (signed["versions"][-1]["status"], signed["title"]) == ("signed", agreement["title"])
    assert table.sign(agreement["id"], "ada")["title"] == "Terms, amended"


def test_the_labs_draft_of_an_amendment_is_nobody_elses(table: Table) -> None:
    agreement = table.in_force()
    path = f"/{agreement['id']}"
    table.later(minutes=1)
    table.good("POST", f"{path}/proposals", "ada", {"change": "amendment", "title": "SECRET PLAN", "note": "SECRET"})
    table.good("POST", f"{path}/comments", "ada", {"text": "SECRET: how far can we go?"})
    table.good("PUT", path, "lee", {"title": "SECRET PLAN 2", "clauses": agreement["clauses"], "note": "SECRET"})
    assert table.good("GET", path, "ada")["proposal"] == 2
    for who in ("ben", "cleo", "nina"):
        for read in ("", path, f"{path}/timeline", f"{path}/checklist", f"{path}/changes", f"{path}/allows"):
            assert "SECRET" not in str(table.good("GET", read, who)), (who, read)
        seen = table.good("GET", path, who)
        assert ([version["number"] for version in seen["versions"]], seen["proposal"]) == ([1], None)
        for number in (2, 3):
            assert table.refused("GET", f"{path}/versions/{number}", who) == (404, "version_not_found")
            assert table.refused("GET", f"{path}/versions/{number}/export", who) == (404, "version_not_found")
            assert table.refused("GET", f"{path}/changes?after={number}", who) == (404, "version_not_found")
        assert table.refused("GET", f"{path}/consequences?action=amend", who) == (404, "no_proposal")
        assert table.good("GET", "?open_proposal=true", who)["items"] == []
    refusals = {
        "counter": {"clauses": changed(agreement["clauses"], "feedback", every_weeks=8)},
        "sign": {"typed_name": "Ben", "document_digest": agreement["document_digest"]},
        "decline": {"reason": "not now"},
        "withdraw": {"reason": "not now"},
    }
    for act, body in refusals.items():
        answer = table.stand.ask("POST", f"/api/agreements{path}/{act}", as_="ben", json=body).json()
        assert answer["code"] == "wrong_agreement_status", act
        assert "draft" not in answer["detail"].partition(";")[0], act
    own = {"change": "amendment", "clauses": changed(agreement["clauses"], "feedback", every_weeks=8)}
    assert table.refused("POST", f"{path}/proposals", "ben", own) == (409, "proposal_open")
    table.later(minutes=1)
    table.good("PUT", path, "ada", {"title": "The plan", "clauses": agreement["clauses"]})
    table.good("POST", f"{path}/offer", "ada")
    shown = table.good("GET", path, "ben")
    assert (shown["proposal"], shown["versions"][-1]["title"]) == (2, "The plan")
    assert "SECRET" not in str(shown)
    assert "SECRET" not in str(table.good("GET", f"{path}/timeline", "ben"))


# ---- while it runs ---------------------------------------------------------------------------------------------------


def test_a_suspension_is_appealed_and_decided_by_another_coordinator(table: Table) -> None:
    agreement = table.in_force()
    path = f"/{agreement['id']}"
    reason = {"reason": "breach_of_terms", "statement": WORDS}
    assert table.refused("POST", f"{path}/suspensions", "ben", reason) == (403, "not_coordinator")
    suspended = table.good("POST", f"{path}/suspensions", "ada", reason)
    (suspension,) = suspended["suspensions"]
    assert suspended["status"] == "in_force"
    assert table.refused("POST", f"{path}/suspensions", "lee", reason) == (409, "already_suspended")
    table.later(hours=73)
    assert table.good("GET", path, "cleo")["status"] == "suspended"
    assert [a["id"] for a in table.good("GET", "?status=suspended", "ben")["items"]] == [agreement["id"]]

    one = f"{path}/suspensions/{suspension['number']}"
    decision = {"upheld": True, "reasons": WORDS}
    assert table.refused("POST", f"{one}/appeal/decision", "lee", decision) == (409, "no_appeal")
    assert table.refused("POST", f"{one}/appeal", "cleo", {"text": WORDS}) == (403, "not_signatory")
    assert table.refused("POST", f"{one}/appeal", "ada", {"text": WORDS}) == (403, "not_signatory")
    assert table.refused("POST", f"{path}/suspensions/7/appeal", "ben", {"text": WORDS}) == (
        404,
        "suspension_not_found",
    )
    filed = table.good("POST", f"{one}/appeal", "ben", {"text": WORDS})
    assert filed["suspensions"][0]["appeal"]["decide_by"]
    assert table.refused("POST", f"{one}/appeal", "ben", {"text": WORDS}) == (409, "appealed_already")
    assert table.refused("POST", f"{one}/appeal/decision", "ben", decision) == (403, "not_coordinator")
    assert table.refused("POST", f"{one}/appeal/decision", "ada", decision) == (403, "own_suspension")
    decided = table.good("POST", f"{one}/appeal/decision", "lee", decision)
    assert (decided["status"], decided["suspensions"][0]["appeal"]["outcome"]) == ("in_force", "upheld")
    assert table.refused("POST", f"{one}/lift", "ada", {"reason": "over"}) == (409, "suspension_lifted")


def test_a_dismissed_appeal_leaves_it_suspended_until_it_is_lifted(table: Table) -> None:
    path = f"/{table.in_force()['id']}"
    table.good("POST", f"{path}/suspensions", "ada", {"reason": "security_incident", "statement": WORDS})
    table.good("POST", f"{path}/suspensions/1/appeal", "ben", {"text": WORDS})
    decided = table.good("POST", f"{path}/suspensions/1/appeal/decision", "lee", {"upheld": False, "reasons": WORDS})
    assert decided["status"] == "suspended"
    assert table.refused("POST", f"{path}/suspensions/1/lift", "ben", {"reason": "please"}) == (403, "not_coordinator")
    assert table.good("POST", f"{path}/suspensions/1/lift", "ada", {"reason": "settled"})["status"] == "in_force"
    asked = table.good("POST", f"{path}/suspensions", "ben", {"reason": "requested", "statement": WORDS})
    assert asked["status"] == "suspended"
    assert table.good("POST", f"{path}/suspensions/2/lift", "ben", {"reason": "we are back"})["status"] == "in_force"


def test_access_is_narrowed_and_widened(table: Table) -> None:
    path = f"/{table.in_force()['id']}"
    narrower = {"operations": ["score"], "requests_per_minute": 5, "statement": WORDS}
    assert table.refused("POST", f"{path}/narrowings", "ben", narrower) == (403, "not_coordinator")
    assert table.refused("POST", f"{path}/narrowings", "ada", {**narrower, "operations": []})[0] == 422
    assert table.refused("POST", f"{path}/narrowings", "ada", {**narrower, "requests_per_minute": 0})[0] == 422
    assert table.refused("POST", f"{path}/narrowings/widen", "ada", {"reason": "over"}) == (409, "not_narrowed")
    assert table.good("POST", f"{path}/narrowings", "ada", narrower)["narrowings"][0]["operations"] == ["score"]
    assert table.refused("POST", f"{path}/narrowings", "lee", narrower) == (409, "already_narrowed")
    assert "narrowed" in table.good("GET", f"{path}/allows", "cleo")["summary"]
    widened = table.good("POST", f"{path}/narrowings/widen", "lee", {"reason": "the report came"})
    assert widened["narrowings"][0]["widened_at"]


def test_it_is_terminated_with_consequences_foreseen_and_its_books_are_closed(table: Table) -> None:
    agreement = table.in_force()
    path = f"/{agreement['id']}"
    grant = table.world.portal.grants.issue(table.world.actor("ada"), agreement_id=agreement["id"], label="A study")
    foreseen = table.good("GET", f"{path}/consequences?action=terminate", "ben")
    assert [fate["grant"]["id"] for fate in foreseen["grants"]] == [grant.id]
    assert table.refused("GET", f"{path}/consequences?action=forget", "ben")[0] == 422
    closing = {"fulfilled": True}
    assert table.refused("POST", f"{path}/close", "ada", closing) == (409, "wrong_agreement_status")
    assert table.refused("POST", f"{path}/terminate", "cleo", {"reason": "a breach"}) == (403, "not_signatory")
    assert table.good("POST", f"{path}/terminate", "ben", {"reason": "the study is over"})["status"] == "terminated"
    assert table.refused("POST", f"{path}/close", "ben", closing) == (403, "not_coordinator")
    assert table.refused("POST", f"{path}/close", "ada", closing) == (409, "duties_open")
    assert table.refused("POST", f"{path}/close", "ada", {"fulfilled": True, "open_duties": []}) == (
        400,
        "unknown_field",
    )
    closed = table.good("POST", f"{path}/close", "ada", {"fulfilled": False, "note": "No report ever came."})
    assert (closed["status"], closed["fulfilled"]) == ("closed", False)


# ---- finding and reading ---------------------------------------------------------------------------------------------


def test_lists_are_narrowed_by_what_stands_in_the_address(table: Table) -> None:
    running, offered = table.in_force()["id"], table.offered(template_id="red-team")["id"]
    drafted = table.good("POST", "", "ada", {"institution_id": "south", "template_id": "framework"})["id"]

    def found(query: str, who: str = "ada") -> set[str]:
        return {agreement["id"] for agreement in table.good("GET", f"?{query}", who)["items"]}

    assert found("") == {running, offered, drafted}
    assert found("status=in_force") == {running}
    assert found("status=draft") == {drafted}
    assert found("status=draft", "dan") == set()
    assert found("institution_id=south") == {drafted}
    assert found("institution_id=south", "ben") == set()
    assert found("form=framework") == {drafted}
    assert found("template_id=red-team") == {offered}
    assert found("open_proposal=true") == {offered, drafted}
    assert found("open_proposal=false&institution_id=north") == {running}
    for query in ("status=lost", "form=oral", "open_proposal=perhaps", f"institution_id={'x' * 129}"):
        assert table.refused("GET", f"?{query}", "ada") == (422, "bad_input"), query
    assert table.refused("GET", "?state=draft", "ada") == (400, "unknown_parameter")


def test_texts_are_compared_with_each_other_and_with_the_template(table: Table) -> None:
    offered = table.offered(title="Our own title")
    path = f"/{offered['id']}"
    table.good("POST", f"{path}/counter", "ben", {"clauses": changed(offered["clauses"], "feedback", every_weeks=8)})

    def differing(query: str) -> list[str]:
        compared = table.good("GET", f"{path}/changes{query}", "ben")
        return [change["clause_id"] for change in compared["clauses"] if change["kind"] != "same"]

    titles = table.good("GET", f"{path}/changes?template=true", "ben")
    assert (titles["title_before"], titles["title_after"]) == ("Software access agreement", "Our own title")
    (feedback,) = [change for change in titles["clauses"] if change["clause_id"] == "feedback"]
    assert {"name": "kind", "before": "feedback", "after": "feedback"} in feedback["kept_fields"]

    assert differing("") == ["feedback"]
    assert differing("?before=1&after=2") == ["feedback"]
    assert differing("?after=2") == ["feedback"]
    assert differing("?before=2&after=1") == ["feedback"]
    assert differing("?template=true") == ["feedback"]
    assert differing("?template=true&after=1") == []
    assert differing("?after=1") == []
    assert table.refused("GET", f"{path}/changes?template=true&before=1", "ben") == (400, "two_bases")
    assert table.refused("GET", f"{path}/changes?before=9", "ben") == (404, "version_not_found")
    assert table.refused("GET", f"{path}/changes?before=0", "ben") == (422, "bad_input")


def test_a_schedule_names_its_framework(table: Table) -> None:
    schedule = {"institution_id": "north", "template_id": "model-schedule"}
    assert table.refused("POST", "", "ada", schedule) == (400, "framework_mismatch")
    running = table.in_force()["id"]
    assert table.refused("POST", "", "ada", {**schedule, "framework_id": running}) == (409, "no_such_framework")
    plain = {"institution_id": "north", "framework_id": running}
    assert table.refused("POST", "", "ada", plain) == (400, "framework_mismatch")


def _addresses(agreement_id: str) -> list[tuple[str, str, object]]:
    """Everything there is to ask of one agreement, with bodies that fit."""
    path, words, reason = f"/{agreement_id}", {"text": WORDS}, {"reason": "not now"}
    return [
        *(
            ("GET", f"{path}{read}", None)
            for read in (
                *("", "/export", "/versions/1", "/versions/1/export", "/timeline", "/checklist", "/changes", "/allows"),
                *("/changes?template=true", "/consequences?action=terminate", "/bounds"),
            )
        ),
        ("PUT", path, {"title": "Other", "clauses": []}),
        ("POST", f"{path}/offer", None),
        ("POST", f"{path}/counter", {"clauses": []}),
        ("POST", f"{path}/proposals", {"change": "amendment"}),
        ("POST", f"{path}/comments", words),
        ("POST", f"{path}/sign", {"typed_name": "Dan", "document_digest": "sha256:0"}),
        ("POST", f"{path}/signatures", {"envelope": {}}),
        ("POST", f"{path}/decline", reason),
        ("POST", f"{path}/withdraw", reason),
        ("POST", f"{path}/suspensions", {"reason": "requested", "statement": WORDS}),
        ("POST", f"{path}/suspensions/1/lift", reason),
        ("POST", f"{path}/suspensions/1/appeal", words),
        ("POST", f"{path}/suspensions/1/appeal/decision", {"upheld": True, "reasons": WORDS}),
        ("POST", f"{path}/narrowings", {"operations": ["score"], "requests_per_minute": 1, "statement": WORDS}),
        ("POST", f"{path}/narrowings/widen", reason),
        ("POST", f"{path}/terminate", reason),
        ("POST", f"{path}/close", {"fulfilled": False}),
    ]


def test_to_outsiders_a_foreign_agreement_is_like_none(table: Table) -> None:
    theirs, none = table.in_force()["id"], "agr_0000000000000000"
    for who in ("dan", "eve", "rae", "olga"):
        for (method, path, body), (_, other, _body) in zip(_addresses(theirs), _addresses(none), strict=True):
            assert table.refused(method, path, who, body) == (404, "agreement_not_found"), (who, path)
            told = [
                table.stand.ask(method, f"/api/agreements{one}", as_=who, json=body).text.replace(name, "…")
                for one, name in ((path, theirs), (other, none))
            ]
            assert told[0] == told[1], (who, path)


def test_members_read_and_only_leads_and_coordinators_act(table: Table) -> None:
    agreement_id = table.in_force()["id"]
    for who in ("cleo", "nina"):
        for method, path, body in _addresses(agreement_id):
            if method == "GET":
                assert table.stand.ask(method, f"/api/agreements{path}", as_=who).is_success, path
            else:
                status, _code = table.refused(method, path, who, body)
                assert status in (400, 403, 404, 409), (path, status)
