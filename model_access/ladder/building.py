"""Building the ladder from inside the training process: resumable, each rung put in place whole or not at all."""

import json
import math
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model_access.ladder.corpus import standard_library_corpus
from model_access.ladder.files import finished_rung, write_ladder, write_rung
from model_access.ladder.recipe import Recipe, RungRecipe
from model_access.ladder.rungs import Ladder, LadderProgress, Rung
from model_access.ladder.training import END_OF_TEXT, encode, held_out_loss, train, train_tokenizer
from model_access.manifest import build_manifest

Progress = Callable[[LadderProgress], None]

_PREPARATION_SHARE = 0.06
"""Part of the whole work that reading the corpus and training the tokenizer take."""
_ETA_AFTER_FRACTION = 0.1
_TRAINERS = 2


class _Meter:
    """Turns work done into progress reports."""

    def __init__(self, recipe: Recipe, report: Progress) -> None:
        self._recipe, self._report = recipe, report
        self._total = sum(map(recipe.cost, recipe.rungs))
        self._done: dict[str, float] = {}
        self._finished = 0
        self._lock = threading.Lock()  # two rungs train at once, and reports must not go backwards
        self._started = time.monotonic()

    def preparing(self, label: str, part: float) -> None:
        """``part`` of the preparation is done."""
        self._report(LadderProgress(fraction=_PREPARATION_SHARE * part, label=label))

    def training(self, rung: RungRecipe, steps: int) -> None:
        """``steps`` of ``rung`` are done."""
        with self._lock:
            self._done[rung.id] = self._recipe.cost(rung) * steps / rung.steps
            self._tell()

    def finished(self, rung: RungRecipe) -> None:
        """The rung is in place."""
        with self._lock:
            self._done[rung.id] = self._recipe.cost(rung)
            self._finished += 1
            self._tell()

    def _tell(self) -> None:
        fraction = _PREPARATION_SHARE + (1 - _PREPARATION_SHARE) * sum(self._done.values()) / self._total
        elapsed = time.monotonic() - self._started
        eta = elapsed * (1 - fraction) / fraction if fraction > _ETA_AFTER_FRACTION else None
        label = f"training, {self._finished} of {len(self._recipe.rungs)} sizes ready"
        self._report(LadderProgress(fraction=min(1.0, fraction), label=label, eta_s=eta))


def build(target: Path, recipe: Recipe, report: Progress) -> Ladder:
    """Train what is missing below ``target`` and write ``ladder.json``. Raises Unavailable ``no_training_text``."""
    target.mkdir(parents=True, exist_ok=True)
    meter = _Meter(recipe, report)
    meter.preparing("reading the standard library's text", 0.0)
    corpus = standard_library_corpus(limit_characters=recipe.corpus_characters)
    meter.preparing("training the tokenizer", 0.6)
    tokenizer = train_tokenizer(corpus.training, recipe.vocabulary)
    tokens, held_out_tokens = encode(tokenizer, corpus.training), encode(tokenizer, corpus.held_out)
    bytes_per_token = sum(len(text.encode()) for text in corpus.held_out) / len(held_out_tokens)
    meter.preparing("starting to train", 1.0)

    def finish(rung: RungRecipe) -> Rung:
        done = finished_rung(target, rung.id, recipe)
        if done is None:
            done = _build_rung(target, recipe, rung, tokenizer, tokens, held_out_tokens, bytes_per_token, meter)
        meter.finished(rung)
        return done

    # Two rungs at a time, the longest first: torch lets go of the interpreter, so two cores do twice the work.
    with ThreadPoolExecutor(_TRAINERS, thread_name_prefix="train") as trainers:
        futures = {rung.id: trainers.submit(finish, rung) for rung in reversed(recipe.rungs)}
        rungs = tuple(futures[rung.id].result() for rung in recipe.rungs)
    return write_ladder(target, recipe, rungs)


def _build_rung(
    target: Path,
    recipe: Recipe,
    rung: RungRecipe,
    tokenizer: Tokenizer,
    tokens: torch.Tensor,
    held_out: torch.Tensor,
    bytes_per_token: float,
    meter: _Meter,
) -> Rung:
    model = train(recipe, rung, tokens, lambda steps: meter.training(rung, steps))
    loss = held_out_loss(model, held_out, recipe.window)
    partial, final = target / f".{rung.id}.partial", target / rung.id
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    _save_tokenizer(tokenizer, partial, recipe.context_length)
    manifest = build_manifest(partial)
    shutil.rmtree(final, ignore_errors=True)
    partial.replace(final)
    built = Rung(
        id=rung.id,
        folder=final.resolve(),
        parameters=manifest.parameters,
        held_out_loss=loss,
        bits_per_byte=loss / math.log(2) / bytes_per_token,
        manifest_digest=manifest.digest,
    )
    write_rung(target, built, recipe)
    return built


def _save_tokenizer(tokenizer: Tokenizer, folder: Path, context_length: int) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
