"""``/v1`` when access is taken away while an answer is made: nothing more is given, and the reason is told."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from agreements.actors import Channel
from model_access.generation import ChoiceDelta, ChoiceSummary, Failed, Finished, GenerationRequest, RunEvent
from model_access.ladder import Ladder
from model_access.runs import Run
from model_access.worker import Ticket, WorkerPool
from tests.portal.api.api_stand import CHECKPOINT, Hear, Script, Stand, made_stand, served, taking_conversations

BODY = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 8}
CONVERSATION = {"model": CHECKPOINT, "messages": [{"role": "user", "content": "The"}], "max_tokens": 8}
ROUTES = pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/completions", BODY), ("/v1/chat/completions", CONVERSATION)],
    ids=["completions", "chat"],
)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Stand]:
    """A portal of these tests' own: what they take away, others would miss."""
    folder = taking_conversations(ladder.rungs[0].folder, tmp_path_factory.mktemp("checkpoint") / "folder")
    with made_stand(tmp_path_factory.mktemp("taken-away") / "data", folder) as made:
        yield made


@pytest.fixture
def token(stand: Stand) -> str:
    """A token for a grant that a test may end."""
    ada, mia = stand.people["coordinator"].actor(Channel.CLI), stand.people["member"].actor(Channel.CLI)
    agreement_id = stand.portal.grants.get(ada, stand.grant_id).grant.agreement_id
    grant = stand.portal.grants.issue(ada, agreement_id=agreement_id, label="To be revoked")
    issued = stand.portal.tokens.issue(mia, label="tests", grant_id=grant.id, purpose="misuse-analysis")
    stand.tokens["ending"] = issued.token
    return issued.record.id


def revoke_grant(stand: Stand, token: str) -> None:
    """End the grant that the token names."""
    ada = stand.people["coordinator"].actor(Channel.CLI)
    record = next(one for one in stand.portal.tokens.list(ada) if one.id == token)
    stand.portal.grants.revoke(ada, record.grant_id or "", reason="a breach")


def revoke_token(stand: Stand, token: str) -> None:
    """End the token alone."""
    stand.portal.tokens.revoke(stand.people["coordinator"].actor(Channel.CLI), token, reason="it leaked")


def meanwhile(act: Callable[[], None], *, before: int, after: int, ends: bool = False) -> Script:
    """Says ``before`` words, sees the act done, says ``after`` more, and ends or goes on until it is told to stop."""

    def script(_request: GenerationRequest, hear: Hear) -> Ticket:
        for _ in range(before):
            hear(ChoiceDelta(index=0, text=" word", token_ids=(0,)))
        act()
        for _ in range(after):
            hear(ChoiceDelta(index=0, text=" word", token_ids=(0,)))
        made = before + after
        if ends:
            summary = ChoiceSummary(index=0, text=" word" * made, token_ids=(0,) * made, finish_reason="stop")
            hear(Finished(prompt_tokens=1, completion_tokens=made, choices=(summary,)))
            return Ticket(lambda: None)
        stopped = Failed(code="cancelled", message="", retriable=False, prompt_tokens=1, completion_tokens=made)
        return Ticket(lambda: hear(stopped))

    return script


def run_of(stand: Stand, run_id: str) -> Run:
    """The settled run, as the API gives it."""
    answer = stand.ask("GET", f"/api/runs/{run_id}", as_="coordinator")
    return Run.model_validate(answer.json())


@pytest.mark.parametrize(("act", "reason"), [(revoke_grant, "grant_revoked"), (revoke_token, "token_revoked")])
@pytest.mark.parametrize("ends", [False, True])
def test_an_answer_under_way_is_refused_and_nothing_of_it_is_given(
    stand: Stand, scripts: list[Script], token: str, act: Callable[[Stand, str], None], reason: str, ends: bool
) -> None:
    scripts.append(meanwhile(lambda: act(stand, token), before=2, after=2, ends=ends))
    answer = stand.ask("POST", "/v1/completions", as_="ending", json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["reason"]) == (403, "access_withdrawn", reason)
    assert error["type"] == "permission_error"
    assert "word" not in answer.text
    run = run_of(stand, answer.headers["x-concordat-run"])
    assert (run.failure_code, run.failure_reason, run.charged_tokens) == ("access_withdrawn", reason, 5)


@ROUTES
def test_a_stream_that_has_said_nothing_yet_is_refused_by_status(
    stand: Stand, scripts: list[Script], token: str, path: str, body: dict[str, Any]
) -> None:
    scripts.append(meanwhile(lambda: revoke_grant(stand, token), before=3, after=1))
    answer = stand.ask("POST", path, as_="ending", json={**body, "stream": True})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, "grant_revoked")


@ROUTES
def test_a_stream_under_way_ends_with_an_event_that_says_why(
    stand: Stand, scripts: list[Script], token: str, path: str, body: dict[str, Any]
) -> None:
    held: list[Any] = []

    def script(_request: GenerationRequest, hear: Hear) -> Ticket:
        hear(ChoiceDelta(index=0, text=" first", token_ids=(0,)))
        stopped = Failed(code="cancelled", message="", retriable=False, prompt_tokens=1, completion_tokens=3)
        held.append(hear)
        return Ticket(lambda: hear(stopped))

    def on_first_piece(piece: str) -> None:
        if " first" in piece and held:
            hear = held.pop()
            revoke_grant(stand, token)
            hear(ChoiceDelta(index=0, text=" second", token_ids=(0,)))

    scripts.append(script)
    pieces = stand.stream(path, as_="ending", json={**body, "stream": True}, on_piece=on_first_piece)
    assert pieces[-1] == "data: [DONE]\n\n"
    error = json.loads(pieces[-2].removeprefix("data: "))["error"]
    assert (error["code"], error["reason"], error["type"]) == ("access_withdrawn", "grant_revoked", "permission_error")
    assert "revoked: a breach" in error["message"]
    assert len(pieces) == 3, "one word, the reason, the end"


def test_pieces_that_wait_for_a_slow_reader_are_not_sent_any_more(
    stand: Stand, scripts: list[Script], token: str
) -> None:
    def script(_request: GenerationRequest, hear: Hear) -> Ticket:
        for _ in range(6):
            hear(ChoiceDelta(index=0, text=" word", token_ids=(0,)))
        stopped = Failed(code="cancelled", message="", retriable=False, prompt_tokens=1, completion_tokens=6)
        return Ticket(lambda: hear(stopped))

    revoked: list[bool] = []

    def on_piece(_piece: str) -> None:
        if not revoked:
            revoked.append(True)
            revoke_grant(stand, token)
            stand.portal.watch.look()

    scripts.append(script)
    pieces = stand.stream("/v1/completions", as_="ending", json={**BODY, "stream": True}, on_piece=on_piece)
    assert sum(" word" in piece for piece in pieces) == 1
    assert "access_withdrawn" in pieces[-2]


@ROUTES
def test_a_stream_of_the_real_engine_ends_within_two_tokens_of_a_revocation(
    stand: Stand, scripts: list[Script], path: str, body: dict[str, Any]
) -> None:
    ada, mia = stand.people["coordinator"].actor(Channel.CLI), stand.people["member"].actor(Channel.CLI)
    agreement_id = stand.portal.grants.get(ada, stand.grant_id).grant.agreement_id
    grant = stand.portal.grants.issue(ada, agreement_id=agreement_id, label="To be revoked")
    token = stand.portal.tokens.issue(mia, label="tests", grant_id=grant.id, purpose="misuse-analysis").token
    said, revoked = threading.Event(), threading.Event()

    def paused_after_three(request: GenerationRequest, hear: Hear) -> Ticket:
        heard: list[RunEvent] = []

        def slowly(event: RunEvent) -> None:
            hear(event)
            if isinstance(event, ChoiceDelta) and event.token_ids:
                heard.append(event)
            if len(heard) == 3:
                said.set()
                revoked.wait(30)

        return WorkerPool.submit(stand.portal.pool, CHECKPOINT, request, slowly)

    scripts.append(paused_after_three)
    tokens = []
    with served(stand) as address, openai.OpenAI(base_url=f"{address}/v1", api_key=token, max_retries=0) as client:
        chat = "messages" in body
        creates: Any = client.chat.completions if chat else client.completions
        # Log-probabilities tell which chunks have tokens, whatever their text.
        asked = {**body, "max_tokens": 40, "n": 8, "seed": 4, "logprobs": True if chat else 0}
        stream = ((chunk, chunk.choices[0].logprobs) for chunk in creates.create(**asked, stream=True))
        pieces = (chunk for chunk, said_of in stream if said_of and (said_of.content if chat else said_of.tokens))
        tokens.append(next(pieces))
        assert said.wait(30)
        tokens += [next(pieces), next(pieces)]
        stand.portal.grants.revoke(ada, grant.id, reason="a breach")
        revoked.set()
        with pytest.raises(openai.APIError) as ended:
            tokens.extend(pieces)
        assert ended.value.code == "access_withdrawn"
        assert isinstance(ended.value.body, dict)
        assert ended.value.body["reason"] == "grant_revoked"
        assert len(tokens) <= 3 + 2
        with pytest.raises(openai.PermissionDeniedError) as refused:
            creates.create(**body)
        assert refused.value.code == "grant_revoked"
    run = stand.portal.runs.get(ada, tokens[0].id.partition("-")[2])
    assert (run.failure_code, run.failure_reason, run.receipt) == ("access_withdrawn", "grant_revoked", None)
    assert run.charged_tokens == run.prompt_tokens + run.completion_tokens
    usage = stand.portal.meter.usage(grant.id)
    assert (usage.settled, usage.reserved) == (run.charged_tokens, 0)
