"""Whether a run made again came out as its receipt says, or where the two part. Pure: no I/O, no clock, no torch.

A receipt holds salted digests of prompts and answers, so the words have to be brought by whoever replays, and are
proved by the digest before anything rests on them.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate

from pydantic import Field, JsonValue

from agreements.deciders import Value
from agreements.errors import Conflict, Invalid
from model_access.build import EngineBuild
from model_access.engine.detokenising import Decode, Detokeniser
from model_access.generation import Finished, GenerationRequest, Prompt, as_sent
from model_access.receipts import RunPredicate

Pieces = Callable[[int], Sequence[str]]
"""The text that each token of a choice brought, by the choice's index."""

EXCERPT = 60
"""Characters shown of either text from where they part."""

_OURS = frozenset({"stream"})
"""Parameters of a receipt that say how the answer travelled, not what it is."""


class Verdict(StrEnum):
    """What a replay comes to."""

    IDENTICAL = "identical"
    PARTS = "parts"


class Bearing(StrEnum):
    """What a circumstance that changed means for the comparison."""

    OTHER_ANSWER = "other_answer"
    """Another answer is to be expected."""
    LAST_BITS = "last_bits"
    """Last bits of sums may differ, and with them a token that was a close call."""
    NONE = "none"
    """It takes no part in the answer."""


class Circumstance(Value):
    """Something that the receipt names and that was otherwise in the replay."""

    name: str
    then: str
    now: str
    bearing: Bearing
    means: str


class Where(Value):
    """Where two answers part. Everything is counted from 0."""

    choice: int = Field(ge=0)
    character: int = Field(ge=0)
    """In the choice's text."""
    token: int = Field(ge=0)
    """The token of the replay that has that character, or that would; those of an echoed prompt count."""
    then: str
    """How the original goes on from there, cut off; empty where it ends."""
    now: str
    """How the replay goes on."""


class Ending(Value):
    """A count of tokens, or how a choice ended, that is another than in the receipt."""

    name: str
    then: str
    now: str


class Comparison(Value):
    """A replay held against a receipt."""

    verdict: Verdict
    says: str
    """The verdict in one sentence."""
    text_known: bool
    """Whether the original answer was there to compare with, or only its digest."""
    where: Where | None = None
    """None where the texts are the same, or the original is not there to say."""
    endings: tuple[Ending, ...] = ()
    circumstances: tuple[Circumstance, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether it came out the same in everything."""
        return self.verdict is Verdict.IDENTICAL


def same_outcome(original: RunPredicate, end: Finished) -> bool:
    """Whether a run ended with the texts, the endings and the counts of tokens that a receipt names."""
    return original.outputs.matches(_texts(end)) and not _endings(original, end)


def compare(
    original: RunPredicate, again: RunPredicate, end: Finished, pieces: Pieces, known: Sequence[str] | None = None
) -> Comparison:
    """Hold a replay against the receipt of the run that it replays.

    ``again`` is what the replay's own receipt says and ``end`` what it brought; ``known`` is the original answer as
    ``proved_output`` let it pass. ``pieces`` is asked for one choice at most.
    """
    texts = _texts(end)
    same_text, endings = original.outputs.matches(texts), _endings(original, end)
    where = _where(known, texts, pieces) if known is not None and not same_text else None
    circumstances = tuple(circumstances_of(original, again))
    return Comparison(
        verdict=Verdict.IDENTICAL if same_text and not endings else Verdict.PARTS,
        says=_says(where, circumstances, same_text=same_text, same_end=not endings),
        text_known=same_text or known is not None,
        where=where,
        endings=endings,
        circumstances=circumstances,
    )


def request_again(original: RunPredicate, prompts: Sequence[Prompt]) -> GenerationRequest:
    """The request of the receipt, with its prompts.

    Raises Invalid ``not_the_prompt`` where the prompts are not those whose digest the receipt has, and Conflict
    ``not_replayable`` where the receipt's parameters are none that this release knows.
    """
    given = [as_sent(prompt) for prompt in prompts]
    if not original.prompts.matches(given):
        raise Invalid(
            "not_the_prompt",
            "This is not the prompt of that run: its digest is another than the one in the receipt.",
            hint="Give every prompt exactly as it was sent, with each space and line break, in the same order; token "
            "ids where token ids were sent, and messages where messages were.",
            param="prompts",
        )
    parameters = {name: value for name, value in original.parameters.items() if name not in _OURS}
    try:
        return GenerationRequest.parse({**parameters, "prompts": tuple(prompts), "seed": original.seed})
    except Invalid as refusal:
        raise Conflict(
            "not_replayable",
            f"The receipt names parameters that this release does not apply. {refusal.message}",
            hint=f"Replay it with the release it ran under: {original.engine.concordat}.",
        ) from None


def proved_output(original: RunPredicate, outputs: Sequence[str]) -> tuple[str, ...]:
    """The original answer, once its digest shows that it is. Raises Invalid ``not_the_output``."""
    if not original.outputs.matches(list(outputs)):
        raise Invalid(
            "not_the_output",
            "This is not the answer of that run: its digest is another than the one in the receipt.",
            hint="Give the text of every choice exactly as it came, in the order of their index, or leave it out.",
            param="outputs",
        )
    return tuple(outputs)


def pieces_of(decode: Decode, prompt: Sequence[int], generated: Sequence[int], *, echoed: bool) -> tuple[str, ...]:
    """The text that each token brought, as the engine brings it; "" for one that is only the beginning of a character.

    What a stop string cut off at the end is not cut off here. Of an echoed prompt each token is a piece too.
    """
    pieces = list(_fed(Detokeniser(decode), prompt)) if echoed else []
    return (*pieces, *_fed(Detokeniser(decode, prompt), generated))


def token_at(pieces: Sequence[str], character: int) -> int:
    """The token in which a character is; of several that make it up together, the first. Their number if in none."""
    first = 0
    for place, end in enumerate(accumulate(map(len, pieces))):
        if end > character:
            return first
        if pieces[place]:
            first = place + 1
    return len(pieces)


def circumstances_of(original: RunPredicate, again: RunPredicate) -> Iterator[Circumstance]:
    """What was otherwise than the receipt says, the weightiest first."""
    if original.manifest_digest != again.manifest_digest:
        yield _circumstance("checkpoint", original.manifest_digest, again.manifest_digest)
    for name in _ENGINE:
        then, now = getattr(original.engine, name), getattr(again.engine, name)
        if then != now:
            yield _circumstance(name, then, now)
    if original.sandbox != again.sandbox:
        yield _circumstance("sandbox", original.sandbox, again.sandbox)


_MEANINGS: dict[str, tuple[Bearing, str]] = {
    "checkpoint": (
        Bearing.OTHER_ANSWER,
        "Other files answered, so an answer that parts says nothing about the receipt.",
    ),
    "precision": (
        Bearing.OTHER_ANSWER,
        "The large products are computed otherwise, so answers part sooner or later.",
    ),
    "tokenizers": (Bearing.LAST_BITS, "If it cuts the prompt into other tokens, the answer is another."),
    "transformers": (Bearing.LAST_BITS, "Where it computes the model, sums may be taken in another order."),
    "torch": (Bearing.LAST_BITS, "Its products may take sums in another order: last bits may differ."),
    "machine": (Bearing.LAST_BITS, "Another processor takes sums in another order: last bits may differ."),
    "threads": (Bearing.LAST_BITS, "Sums are divided among another number of threads: last bits may differ."),
    "arithmetic": (Bearing.LAST_BITS, "The engine takes its operations in another order: last bits may differ."),
    "numba": (Bearing.LAST_BITS, "It may sum in other lanes what the engine does to rows: last bits may differ."),
    "kernel": (Bearing.LAST_BITS, "The processor's products are another kind: last bits may differ."),
    "weight_bits": (Bearing.OTHER_ANSWER, "A bit of every weight is gone or more, so answers part sooner or later."),
    "concordat": (Bearing.LAST_BITS, "The engine may have changed between the two releases."),
    "python": (Bearing.NONE, "It takes no part in the arithmetic."),
    "sandbox": (Bearing.NONE, "It shuts the engine in and takes no part in the arithmetic."),
}

_ENGINE = tuple(name for name in _MEANINGS if name in EngineBuild.model_fields)


def _circumstance(name: str, then: object, now: object) -> Circumstance:
    bearing, means = _MEANINGS[name]
    unsaid = "not recorded"
    return Circumstance(
        name=name,
        then=unsaid if then is None else str(then),
        now=unsaid if now is None else str(now),
        bearing=bearing,
        means=means,
    )


def _texts(end: Finished) -> list[JsonValue]:
    return [choice.text for choice in end.choices]


def _endings(original: RunPredicate, end: Finished) -> tuple[Ending, ...]:
    now = [choice.finish_reason for choice in end.choices]
    rows = (
        ("how it ended", ", ".join(original.finish_reasons), ", ".join(now)),
        ("tokens read", str(original.prompt_tokens), str(end.prompt_tokens)),
        ("tokens written", str(original.completion_tokens), str(end.completion_tokens)),
    )
    return tuple(Ending(name=name, then=was, now=is_) for name, was, is_ in rows if was != is_)


def _where(known: Sequence[str], texts: Sequence[JsonValue], pieces: Pieces) -> Where | None:
    for choice, (then, now) in enumerate(zip(known, map(str, texts), strict=False)):
        if then != now:
            character = _common(then, now)
            return Where(
                choice=choice,
                character=character,
                token=token_at(pieces(choice), character),
                then=then[character : character + EXCERPT],
                now=now[character : character + EXCERPT],
            )
    return None


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )


def _fed(detokeniser: Detokeniser, tokens: Sequence[int]) -> Iterator[str]:
    for place, token in enumerate(tokens):
        fresh = detokeniser.feed(token)
        yield fresh if place < len(tokens) - 1 else fresh + detokeniser.flush()


def _says(where: Where | None, circumstances: Sequence[Circumstance], *, same_text: bool, same_end: bool) -> str:
    if same_text and same_end:
        rest = ", though not all was as it was then" if circumstances else ""
        return f"Identical: every character, every ending and every count of tokens is that of the receipt{rest}."
    if same_text:
        return "Parts: the text is the same, but it was not made of the same tokens or did not end the same way."
    if where is None:
        told = "Parts, and the original is not here to say where"
    else:
        told = f"Parts at token {where.token} of choice {where.choice} (character {where.character}), counted from 0"
    if any(one.bearing is Bearing.OTHER_ANSWER for one in circumstances):
        return f"{told}; another answer was to be expected, since the checkpoint or its precision is another."
    if any(one.bearing is Bearing.LAST_BITS for one in circumstances):
        return f"{told}; what computed it changed, and a token that was a close call may come out otherwise."
    return f"{told}; nothing that the receipt names has changed, so this is to be explained."
