"""What the guide tells partners to paste runs as it stands, with the stock clients."""

import json
import re
from pathlib import Path

from tests.clients.conftest import ROOT, Clients
from tests.portal.api.api_stand import CHECKPOINT, Stand

HERE = Path(__file__).parent
GUIDE = (ROOT / "docs/guide/your-own-tools.md").read_text(encoding="utf-8")
ASKED = "Return the"


def blocks(kind: str) -> list[str]:
    """The guide's pieces of code in a language, about the checkpoint there is."""
    found = re.findall(rf"^```{kind}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    return [code.replace("ladder-m", CHECKPOINT) for code in found]


def completed(stand: Stand, prompt: str) -> str:
    """What the checkpoint says to it, greedily."""
    body = {"model": CHECKPOINT, "prompt": prompt, "max_tokens": 12, "temperature": 0}
    text: str = stand.ask("POST", "/v1/completions", as_="partner", json=body).json()["choices"][0]["text"]
    return text


def said_in_chat(stand: Stand, *messages: tuple[str, str]) -> str:
    """What the checkpoint answers, greedily."""
    sent = [{"role": role, "content": content} for role, content in messages]
    body = {"model": CHECKPOINT, "messages": sent, "max_tokens": 12, "temperature": 0}
    answer = stand.ask("POST", "/v1/chat/completions", as_="partner", json=body).json()
    text: str = answer["choices"][0]["message"]["content"]
    return text


def proved(stand: Stand, line: str) -> bool:
    """Whether there is a receipt under the id that was printed."""
    run_id = line.removeprefix("receipt: ")
    return stand.ask("GET", f"/api/runs/{run_id}/receipt", as_="member").status_code == 200


def test_every_piece_of_the_guide_runs(stand: Stand, clients: Clients, tmp_path: Path) -> None:
    asked, told = tmp_path / "asked.json", tmp_path / "told.json"
    # The partner's token names its purpose; another in the header would be refused.
    codes = [code.replace("bias-analysis", "misuse-analysis") for code in blocks("python")]
    asked.write_text(json.dumps(codes), encoding="utf-8")
    clients(HERE / "snippets.py", asked, told)
    said: list[str] = json.loads(told.read_text(encoding="utf-8"))
    answer, other = completed(stand, ASKED), completed(stand, "Raise a")
    whole, streamed, besides, chained, conversing, indexed = said
    listed, text, receipt = whole.removesuffix("\n").split("\n", 1)[0], answer, whole.splitlines()[-1]
    assert listed == f"['{CHECKPOINT}']"
    assert text in whole
    assert proved(stand, receipt)
    assert streamed == f"{answer}{[other, answer]}\n"
    assert chained == f"{answer}\n{[other, answer]}\n{answer}\n{answer}"
    brief = said_in_chat(stand, ("system", "Be brief."), ("user", ASKED))
    assert conversing == f"{brief}\n{said_in_chat(stand, ('user', ASKED))}"
    reads, vectors, proof = besides.splitlines()[-3:]
    assert besides.startswith(f"{brief}\n")
    counted = reads.removeprefix("tokens read: ").split()
    assert (len(counted), len(set(counted)), vectors) == (2, 1, "vectors: 2")
    assert proved(stand, proof)
    assert indexed == f"{answer}\n{answer}{answer}\n"
