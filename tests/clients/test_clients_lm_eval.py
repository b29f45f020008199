"""lm-eval says the same of a checkpoint that it asks through the portal as of one that it holds."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from model_access.ladder import Ladder
from tests.clients.conftest import ROOT, Clients
from tests.portal.api.api_stand import CHECKPOINT, Stand

HERE = Path(__file__).parent
GUIDE = (ROOT / "docs/guide/your-own-tools.md").read_text(encoding="utf-8")


def flat(answers: Any) -> list[Any]:
    """The numbers, words and verdicts in whatever lists they came."""
    return [one for part in answers for one in flat(part)] if isinstance(answers, list) else [answers]


def test_the_harness_finds_the_same_as_beside_the_weights(
    stand: Stand, address: str, clients: Clients, ladder: Ladder, tmp_path: Path
) -> None:
    with zipfile.ZipFile(
        io.BytesIO(stand.ask("GET", f"/v1/models/{CHECKPOINT}/tokenizer", as_="partner").content)
    ) as archive:
        archive.extractall(tmp_path / "tokenizer")
    context = stand.ask("GET", f"/v1/models/{CHECKPOINT}", as_="partner").json()["context_length"]
    said = re.search(r"--model_args (\S+)$", GUIDE, flags=re.MULTILINE)
    assert said is not None
    through = dict(part.split("=", 1) for part in said[1].split(","))
    assert (through["base_url"], int(through["max_length"])) == ("http://127.0.0.1:8765/v1/completions", context)
    through |= {
        "model": CHECKPOINT,
        "base_url": f"{address}/v1/completions",
        "tokenizer": str(tmp_path / through["tokenizer"]),
        "max_length": context,
    }
    held = {"pretrained": str(ladder.rungs[0].folder), "dtype": "float32", "max_length": context}
    models = {
        "held": ["hf", held, 1],
        "in batches": ["local-completions", through, 8],
        "side by side, as text": [
            "local-completions",
            {**through, "num_concurrent": 4, "tokenized_requests": False},
            1,
        ],
    }
    asked, told = tmp_path / "asked.json", tmp_path / "told.json"
    asked.write_text(json.dumps({"models": models, "data": str(HERE / "data")}), encoding="utf-8")
    clients(HERE / "harness.py", asked, told)
    found = json.loads(told.read_text(encoding="utf-8"))
    for name in ("in batches", "side by side, as text"):
        for task, own in found["held"].items():
            mine = found[name][task]
            assert own["metrics"], task
            assert mine["metrics"] == pytest.approx(own["metrics"], rel=1e-4), (name, task)
            for ours, theirs in zip(flat(mine["answers"]), flat(own["answers"]), strict=True):
                assert ours == (pytest.approx(theirs, abs=1e-4) if isinstance(theirs, float) else theirs), (name, task)
