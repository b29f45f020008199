"""The engine beside ``transformers`` and, where it is installed, CTranslate2. Run it by hand:

    python -m tests.benchmarks.inference --shapes 124M 355M --batches 1 8 --threads 1 --clock cpu

GPT-2 shapes are built with random weights, which cost the same as trained ones. Every contestant of a row has a process
of its own, since libraries with threads of their own slow each other down in one, and runs in turn, several rounds; the
best of each counts, so that load on the machine slows all of them alike. With one thread, ``--clock cpu`` counts
processor time, which other processes disturb least. Milliseconds per decode step are the difference between a long and
a short run, so that prompts do not count.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from model_access.build import Precision
from model_access.engine.engine import Engine
from model_access.engine.loading import load
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import GenerationRequest

SHAPES = {"124M": (12, 768, 12), "355M": (24, 1024, 16), "774M": (36, 1280, 20), "1.5B": (48, 1600, 25)}
VOCABULARY, CONTEXT = 50257, 1024
PROMPT = 64
BYTES = {Precision.FLOAT32: 4, Precision.BFLOAT16: 2, Precision.INT8: 1}
CTRANSLATE2 = {Precision.FLOAT32: "float32", Precision.BFLOAT16: "bfloat16", Precision.INT8: "int8"}
PAUSE_S = 0.3
"""Before each turn, so that the threads of whoever was last have gone to sleep."""
SCORED = [48, 64, 80, 96, 100, 112, 120, 128]
"""Lengths of the texts that are scored."""


@dataclass
class Contestant:
    """Something that generates and scores. Prompts are token ids."""

    name: str
    generate: Callable[[list[list[int]], int], object]
    score: Callable[[list[list[int]]], object]


def build(folder: Path, shape: str) -> None:
    """A checkpoint of the shape, unless it is there."""
    if (folder / "model.safetensors").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    layers, width, heads = SHAPES[shape]
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(n_layer=layers, n_embd=width, n_head=heads)).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({f"t{token}": token for token in range(VOCABULARY)}, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "t0", "bos_token": "t0", "eos_token": "t0"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))


def ours(folder: Path, precision: Precision) -> Contestant:
    """The engine, one request per prompt."""
    decoder = load(folder, precision)
    decoder.end_tokens = frozenset()
    vocabulary = Vocabulary(folder)

    def run(prompts: list[list[int]], **options: Any) -> None:
        engine = Engine(decoder, vocabulary, context=CONTEXT, cache_bytes=4 << 30)
        for ticket, prompt in enumerate(prompts):
            request = GenerationRequest(prompts=(tuple(prompt),), seed=0, temperature=0.0, **options)
            engine.submit(ticket, request, [prompt])
        while not engine.idle:
            engine.step()

    return Contestant(
        "engine",
        lambda prompts, new: run(prompts, max_tokens=new),
        lambda prompts: run(prompts, max_tokens=0, echo=True, logprobs=0),
    )


@torch.inference_mode()
def _transformers_scores(model: Any, prompts: list[list[int]]) -> None:
    ordered = sorted(prompts, key=len)
    for first in range(0, len(ordered), 8):
        group = ordered[first : first + 8]
        ids = torch.zeros((len(group), len(group[-1])), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(group):
            ids[row, : len(prompt)] = torch.tensor(prompt)
            mask[row, : len(prompt)] = 1
        values = model(ids, attention_mask=mask).logits[:, :-1].float().log_softmax(-1)
        values.gather(2, ids[:, 1:].unsqueeze(2))


def by_transformers(folder: Path, precision: Precision) -> Contestant | None:
    """``generate`` on a padded batch; scoring in batches of eight, sorted by length."""
    if precision is Precision.INT8:
        return None
    dtype = torch.float32 if precision is Precision.FLOAT32 else torch.bfloat16
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0

    def generate(prompts: list[list[int]], new: int) -> None:
        ids = torch.tensor(prompts)
        model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, do_sample=False
        )

    return Contestant("transformers", generate, lambda prompts: _transformers_scores(model, prompts))


def by_ctranslate2(folder: Path, precision: Precision, threads: int) -> Contestant | None:
    """CTranslate2, converted once; ``None`` where it is not installed or does not compute so on this processor."""
    if importlib.util.find_spec("ctranslate2") is None:
        return None
    ctranslate2: Any = importlib.import_module("ctranslate2")
    kind = CTRANSLATE2[precision]
    if kind not in ctranslate2.get_supported_compute_types("cpu"):
        return None
    converted = folder / "ctranslate2"
    if not converted.exists():
        ctranslate2.converters.TransformersConverter(str(folder)).convert(str(converted))
    generator = ctranslate2.Generator(str(converted), compute_type=kind, intra_threads=threads, inter_threads=1)

    def named(prompts: list[list[int]]) -> list[list[str]]:
        return [[f"t{token}" for token in prompt] for prompt in prompts]

    def generate(prompts: list[list[int]], new: int) -> None:
        generator.generate_batch(
            named(prompts),
            max_length=new,
            min_length=new,
            sampling_topk=1,
            end_token=[],
            include_prompt_in_result=False,
        )

    return Contestant("CTranslate2", generate, lambda prompts: generator.score_batch(named(prompts), max_batch_size=8))


MAKERS: dict[str, Callable[[Path, Precision, int], Contestant | None]] = {
    "engine": lambda folder, precision, _threads: ours(folder, precision),
    "transformers": lambda folder, precision, _threads: by_transformers(folder, precision),
    "CTranslate2": by_ctranslate2,
}


def serve(name: str, folder: Path, precision: Precision, threads: int, cpu: bool, pipe: Connection) -> None:
    """Be a contestant: say whether it computes in this precision, then how long each thing asked for took."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    clock = time.process_time if cpu else time.perf_counter
    contestant = MAKERS[name](folder, precision, threads)
    pipe.send(contestant is not None)
    while contestant is not None and (asked := pipe.recv()) is not None:
        what, *given = asked
        begun = clock()
        getattr(contestant, what)(*given)
        pipe.send(clock() - begun)


@dataclass
class Rival:
    """A contestant in its process."""

    name: str
    pipe: Connection

    def seconds(self, what: str, *given: object) -> float:
        """How long ``generate`` or ``score`` took."""
        self.pipe.send((what, *given))
        took: float = self.pipe.recv()
        return took


@contextmanager
def rivals(folder: Path, precision: Precision, options: argparse.Namespace) -> Iterator[list[Rival]]:
    """Whoever computes in this precision, the engine first."""
    context = multiprocessing.get_context("spawn")
    ready, started = [], []
    for name in MAKERS:
        here, there = context.Pipe()
        given = (name, folder, precision, options.threads, options.clock == "cpu", there)
        process = context.Process(target=serve, args=given, daemon=True)
        process.start()
        started.append((process, here))
        if here.recv():
            ready.append(Rival(name, here))
    yield ready
    for process, here in started:
        with suppress(OSError):
            here.send(None)
        process.join()


def best(calls: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The least seconds of each call over ``rounds``, in turn, after one that does not count."""
    least = [float("inf")] * len(calls)
    for turn in range(rounds + 1):
        for place, call in enumerate(calls):
            time.sleep(PAUSE_S)
            took = call()
            if turn:
                least[place] = min(least[place], took)
    return least


def read_rate(clock: Callable[[], float]) -> float:
    """Bytes per second of reading memory from one end to the other: what bounds a step that reads every weight."""
    numbers = torch.ones(1 << 26)

    def read() -> float:
        begun = clock()
        numbers.sum()
        return clock() - begun

    return numbers.nbytes / best([read], 8)[0]


def rows(options: argparse.Namespace, clock: Callable[[], float]) -> Iterator[str]:
    """The table, line by line."""
    yield "| shape, precision | batch | engine | transformers | CTranslate2 | × better peer | of the limit |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    dice = torch.Generator().manual_seed(1)
    for shape in options.shapes:
        folder = options.folder / shape
        build(folder, shape)
        layers, width, _ = SHAPES[shape]
        weights = layers * 12 * width * width + VOCABULARY * width
        for precision in map(Precision, options.precisions):
            with rivals(folder, precision, options) as field:
                for batch in options.batches:
                    prompts = torch.randint(1, VOCABULARY, (batch, PROMPT), generator=dice).tolist()
                    calls = [
                        partial(one.seconds, "generate", prompts, new) for one in field for new in (1, options.new)
                    ]
                    times = best(calls, options.rounds)
                    steps = [(times[2 * at + 1] - times[2 * at]) / (options.new - 1) for at in range(len(field))]
                    limit = weights * BYTES[precision] / read_rate(clock)
                    yield line(f"{shape} {precision}", str(batch), field, steps, limit)
                texts = [torch.randint(1, VOCABULARY, (length,), generator=dice).tolist() for length in SCORED]
                times = best([partial(one.seconds, "score", texts) for one in field], options.rounds)
                yield line(f"{shape} {precision}", "scoring, a token", field, [each / sum(SCORED) for each in times])


def line(what: str, batch: str, field: list[Rival], seconds: list[float], limit: float | None = None) -> str:
    """One row: milliseconds of everyone, how many times the better peer, and how near the limit."""
    found = dict(zip((one.name for one in field), seconds, strict=True))
    mine, peers = seconds[0], seconds[1:]
    names = ("engine", "transformers", "CTranslate2")
    cells = [f"{1e3 * found[name]:.3g} ms" if name in found else "–" for name in names]
    ratio = f"{min(peers) / mine:.2f}" if peers else "–"
    share = f"{limit / mine:.0%}" if limit is not None else "–"
    return f"| {what} | {batch} | {' | '.join(cells)} | {ratio} | {share} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["124M"])
    parser.add_argument("--precisions", nargs="+", choices=[*Precision], default=[*Precision])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "concordat-shapes")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    print(f"{options.threads} threads, {options.clock} time, load {os.getloadavg()[0]:.1f}\n")  # noqa: T201 - a script that prints
    for line in rows(options, clock):
        print(line, flush=True)  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main()
