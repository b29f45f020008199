"""The main job without a browser: httpx for the portal, the stock openai client for the model."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from model_access.receipts import verify_receipt
from tests.journeys.conftest import PARTNER, Cast, Server

_opened: list[httpx.Client | openai.OpenAI] = []


@pytest.fixture(autouse=True)
def _clients_are_closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


class Api:
    """The portal's API as one person."""

    def __init__(self, server: Server, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{server.url}/api", headers={"authorization": f"Bearer {token}"}, timeout=60
        )
        _opened.append(self._client)

    def get(self, path: str, **params: Any) -> Any:
        """A JSON answer that must be good."""
        return self._good(self._client.get(path, params=params))

    def post(self, path: str, body: object = None) -> Any:
        """A JSON answer that must be good."""
        return self._good(self._client.post(path, json=body))

    @staticmethod
    def _good(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()


def model_client(server: Server, token: str) -> openai.OpenAI:
    """The stock client, told nothing but the address and the token."""
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=token, max_retries=0, timeout=120)
    _opened.append(client)
    return client


def agree_and_grant(server: Server, cast: Cast) -> dict[str, Any]:
    """The lab offers, the partner signs, the lab countersigns and opens access."""
    lab, partner = Api(server, cast.tokens["coordinator"]), Api(server, cast.tokens["lead"])
    agreement = lab.post("/agreements", {"institution_id": PARTNER})
    offered = lab.post(f"/agreements/{agreement['id']}/offer")
    confirm = {"typed_name": "Ben Lead", "document_digest": offered["document_digest"]}
    assert partner.post(f"/agreements/{agreement['id']}/sign", confirm)["status"] == "signed"
    confirm["typed_name"] = "Ada Coordinator"
    assert lab.post(f"/agreements/{agreement['id']}/sign", confirm)["status"] == "in_force"
    grant: dict[str, Any] = lab.post("/grants", {"agreement_id": agreement["id"], "label": "The withheld checkpoint"})
    return grant


def test_from_agreement_to_finding_to_revocation(stage: tuple[Server, Cast], tmp_path: Path) -> None:
    server, cast = stage
    lab, partner = Api(server, cast.tokens["coordinator"]), Api(server, cast.tokens["lead"])
    grant = agree_and_grant(server, cast)

    issued = partner.post("/tokens", {"label": "journey", "grant_id": grant["id"], "purpose": "misuse-analysis"})
    client = model_client(server, issued["token"])
    assert "ladder-l" in [model.id for model in client.models.list()]
    raw = client.completions.with_raw_response.create(
        model="ladder-l", prompt="The module", max_tokens=12, seed=7, logprobs=2
    )
    answer = raw.parse()
    run_id = raw.headers["x-concordat-run"]
    assert answer.choices[0].text
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12

    streamed = client.completions.create(model="ladder-l", prompt="The module", max_tokens=12, seed=7, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == answer.choices[0].text

    receipt = httpx.get(
        f"{server.url}/api/runs/{run_id}/receipt", headers={"authorization": f"Bearer {cast.tokens['lead']}"}
    )
    vkey = httpx.get(f"{server.url}/log/vkey").text.strip()
    proved = verify_receipt(receipt.content, vkey=vkey)
    assert proved.statement.predicate.run_id == run_id
    assert proved.statement.predicate.outputs.matches([answer.choices[0].text])
    path = tmp_path / "receipt.json"
    path.write_bytes(receipt.content)
    assert _verify(path, vkey) == 0
    middle = len(receipt.content) // 2
    path.write_bytes(receipt.content[:middle] + bytes([receipt.content[middle] ^ 1]) + receipt.content[middle + 1 :])
    assert _verify(path, vkey) != 0

    filed = partner.post(
        "/findings",
        {
            "institution_id": PARTNER,
            "title": "Fluent module documentation on request",
            "summary": "Twelve tokens of plausible documentation.",
            "kind": "misuse_finding",
            "severity": "low",
            "marking": "TLP:AMBER",
            "run_ids": [run_id],
        },
    )
    seen = lab.get(f"/findings/{filed['finding_id']}")
    facts = seen["content"]["runs"][0]
    assert facts["run_id"] == run_id
    assert facts["seed"] == 7
    assert facts["manifest_digest"] == proved.statement.predicate.manifest_digest

    lab.post(f"/grants/{grant['id']}/revoke", {"reason": "the study is over"})
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.completions.create(model="ladder-l", prompt="The module", max_tokens=12)
    assert refused.value.code == "grant_revoked"
    assert "the study is over" in refused.value.message


def test_scoring_echo_and_lists_by_the_stock_client(stage: tuple[Server, Cast]) -> None:
    server, cast = stage
    grant = agree_and_grant(server, cast)
    issued = Api(server, cast.tokens["lead"]).post(
        "/tokens", {"label": "scoring", "grant_id": grant["id"], "purpose": "bias-analysis"}
    )
    client = model_client(server, issued["token"])
    scored = client.completions.create(
        model="ladder-l", prompt=["The file is open.", "open is file The."], max_tokens=0, echo=True, logprobs=1
    )
    assert [choice.text for choice in scored.choices] == ["The file is open.", "open is file The."]
    totals = []
    for choice in scored.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.token_logprobs is not None
        scores: list[float | None] = [*choice.logprobs.token_logprobs]
        assert scores[0] is None
        totals.append(sum(value for value in scores if value is not None))
    assert totals[0] > totals[1]
    many = client.completions.create(
        model="ladder-l",
        prompt=[[1, 2, 3], [4, 5]],
        max_tokens=3,
        n=2,
        temperature=0.7,
        top_p=0.9,
        stop=["\n\n\n"],
        seed=3,
    )
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]


def test_who_may_query_changes_with_a_recorded_decision(stage: tuple[Server, Cast]) -> None:
    server, cast = stage
    lab, researcher = Api(server, cast.tokens["coordinator"]), Api(server, cast.tokens["researcher"])
    client = model_client(server, cast.tokens["researcher"])
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.completions.create(model="ladder-xs", prompt="The", max_tokens=2)
    assert refused.value.code == "no_grant"

    model_client(server, cast.tokens["coordinator"]).completions.create(model="ladder-xs", prompt="The", max_tokens=2)
    finding = lab.post(
        "/findings",
        {
            "institution_id": "lab",
            "title": "Nothing worrying at the smallest size",
            "summary": "Samples are incoherent.",
            "kind": "null_result",
            "marking": "TLP:GREEN",
            "checkpoint_ids": ["ladder-xs"],
        },
    )
    norm = _adopted_norm(server, cast, finding)
    for step in (("withheld", "partner_access"), ("partner_access", "public")):
        lab.post(
            "/release/decisions",
            {
                "checkpoint_id": "ladder-xs",
                "from_stage": step[0],
                "to_stage": step[1],
                "verdict": "go",
                "rationale": "The smallest size shows no misuse potential.",
                "findings": [
                    {"finding_id": finding["finding_id"], "version": finding["version"], "digest": finding["digest"]}
                ],
                "norms": [{"norm_id": norm["norm_id"], "revision_digest": norm["revision_digest"]}],
            },
        )
    assert client.completions.create(model="ladder-xs", prompt="The", max_tokens=2).choices[0].text
    board = researcher.get("/release/board")
    assert "public" in str(board)


def _adopted_norm(server: Server, cast: Cast, finding: dict[str, Any]) -> dict[str, Any]:
    lab, partner = Api(server, cast.tokens["coordinator"]), Api(server, cast.tokens["lead"])
    evidence = {
        "finding_id": finding["finding_id"],
        "version": finding["version"],
        "digest": finding["digest"],
        "relation": "supports",
        "clause_id": "c1",
    }
    norm = lab.post(
        "/norms",
        {
            "institution_id": "lab",
            "quorum": 1,
            "text": {
                "title": "Smaller sizes first",
                "clauses": [{"clause_id": "c1", "text": "Release the smallest size first."}],
                "evidence": [evidence],
            },
        },
    )
    position = {
        "institution_id": PARTNER,
        "revision_digest": norm["revision_digest"],
        "position": "support",
        "reason": "Yes.",
    }
    partner.post(f"/norms/{norm['norm_id']}/positions", position)
    adopted: dict[str, Any] = lab.post(
        f"/norms/{norm['norm_id']}/outcome",
        {"decision": "adopted", "revision_digest": norm["revision_digest"], "rationale": "Supported."},
    )
    return adopted


def _verify(path: Path, vkey: str) -> int:
    command = [sys.executable, "-m", "portal.cli", "verify", str(path), "--vkey", vkey]
    return subprocess.run(command, capture_output=True, check=False).returncode
