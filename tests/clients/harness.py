"""Run by the interpreter of the clients: lm-eval's own harness, by its own model classes, on tasks of local files.

    python harness.py asked.json told.json

``asked.json``: ``{"models": {name: [model, arguments, batch_size]}, "data": folder}``. ``told.json``: by model and task
the metrics, and what the model answered to each document.
"""

import json
import sys
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager


def tasks(data: Path) -> list[dict[str, Any]]:
    """Every kind of question lm-eval has for a model."""

    def task(name: str, file: str, kind: str, metrics: list[str], **more: Any) -> dict[str, Any]:
        return {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data / file)}},
            "test_split": "test",
            "output_type": kind,
            "metric_list": [{"metric": metric} for metric in metrics],
            **more,
        }

    return [
        task(
            "choosing",
            "choices.jsonl",
            "multiple_choice",
            ["acc", "acc_norm"],
            doc_to_text="{{question}}",
            doc_to_choice="choices",
            doc_to_target="answer",
            target_delimiter="",
        ),
        task(
            "last_words",
            "texts.jsonl",
            "loglikelihood",
            ["acc", "perplexity"],
            doc_to_text="{{text[:text|length - last|length]}}",
            doc_to_target="{{last}}",
            target_delimiter="",
        ),
        task(
            "rolling",
            "texts.jsonl",
            "loglikelihood_rolling",
            ["word_perplexity", "byte_perplexity", "bits_per_byte"],
            doc_to_text="",
            doc_to_target="{{text}}",
        ),
        task(
            "going_on",
            "beginnings.jsonl",
            "generate_until",
            ["exact_match"],
            doc_to_text="{{beginning}}",
            doc_to_target="{{end}}",
            target_delimiter="",
            generation_kwargs={"until": ["\n\n"], "do_sample": False, "max_gen_toks": 24},
        ),
    ]


def evaluated(model: str, arguments: dict[str, Any], batch_size: int, data: Path) -> dict[str, Any]:
    """What the harness found."""
    found = simple_evaluate(
        model,
        model_args=arguments,
        tasks=tasks(data),
        batch_size=batch_size,
        device="cpu",
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False),  # none of the thousands that it brings along
    )
    assert found is not None
    return {
        name: {
            "metrics": {key: one for key, one in metrics.items() if isinstance(one, float) and "stderr" not in key},
            "answers": [sample["resps"] for sample in sorted(found["samples"][name], key=lambda one: one["doc_id"])],
        }
        for name, metrics in found["results"].items()
    }


def main() -> None:
    """Ask, and write down."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    data = Path(asked["data"])
    told = {name: evaluated(model, given, size, data) for name, (model, given, size) in asked["models"].items()}
    Path(sys.argv[2]).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
