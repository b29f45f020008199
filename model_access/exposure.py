"""How much answers may have told of a checkpoint's weights: counted upwards, compared with what recovers a layer.

A language model's logits are ``W·g(x)``, with an output projection ``W`` of *vocabulary × hidden* and ``g(x)`` of
*hidden* numbers. Full logit vectors of all contexts therefore lie in a space of *hidden* dimensions: somewhat more than
*hidden* independent ones show that dimension, and *hidden* of them span the column space of ``W``, which gives ``W`` up
to a *hidden × hidden* transformation (Carlini et al. 2024, arXiv 2403.06634, section 4). So the measure is

    values  = log-probabilities reported, over all runs
    states  = embeddings given, over all runs
    vectors = values / vocabulary + states     full vectors that so much could make up
    share   = vectors / hidden                 1 is what recovers the layer

A vector is put together from parts: top-K log-probabilities of tokens that the asker chooses by a bias take about
*vocabulary / K* queries (section 5 there), and a scored text tells one chosen token and K others at each place. Without
a choice of tokens most values repeat the same few likely tokens, and far less is learned. All are counted alike.

An embedding is a ``g(x)`` itself, or the mean of several: all *hidden* numbers of a vector in that same space, at once
and unrounded. As many independent ones as the space has dimensions are a basis of it, and take away just the
transformation that logits alone leave open. So a state counts as a full logit vector does, and both are added up,
though states alone tell nothing of ``W``: nobody knows what their holder has besides.

Assumptions, each to the holder's disadvantage, so that the measure is an upper bound on independent observations:

- every reported value is new and independent; the same question asked twice counts twice;
- at each place ``top_logprobs + 1`` values are seen, also where the token itself is among the alternatives;
- every embedding is of a context of its own, also where the same input is sent again;
- a value counts whole, however far it is rounded, and a biased choice without log-probabilities counts as one value per
  token, though an argmax tells a few bits and attacks without log-probabilities need several queries per logit
  (section 6);
- candidates of ``best_of`` that were passed over count, and so does what a failed run made; for a run that nobody saw
  the end of, all that was reserved. Embeddings are handed out when their run completed, and count then;
- all holders of an institution work together.

What it does not measure: the text itself (distillation), a hidden size that is no secret (the manifest states it),
and layers below the last. Runs without a grant are not counted: the lab's own, and those of checkpoints that are
public.
"""

from enum import StrEnum

from pydantic import Field, model_validator

from agreements.access import Basis
from agreements.deciders import Value
from model_access.receipts import statement_of
from model_access.runs import INTERRUPTED, Run, RunStatus


class Level(StrEnum):
    """How far an exposure has come."""

    LOW = "low"
    WARN = "warn"
    ALERT = "alert"


class Thresholds(Value):
    """From which share on an exposure is worth a warning, and an alert."""

    warn: float = Field(gt=0, le=1)
    alert: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> "Thresholds":
        if self.warn > self.alert:
            raise ValueError("the warning comes before the alert")
        return self

    def level(self, share: float) -> Level:
        """The level of that share."""
        return Level.ALERT if share >= self.alert else Level.WARN if share >= self.warn else Level.LOW


class Exposure(Value):
    """What was seen of one checkpoint. Values and states of several holders, runs or institutions simply add up."""

    values: int = Field(ge=0)
    states: int = Field(default=0, ge=0)
    vocabulary_size: int = Field(ge=1)
    hidden_size: int = Field(ge=1)

    @property
    def vectors(self) -> float:
        """Full vectors: the states, and as many logit vectors as so many values could make up."""
        return self.values / self.vocabulary_size + self.states

    @property
    def share(self) -> float:
        """Of what recovers the output projection; more than 1 where more was seen."""
        return self.vectors / self.hidden_size


def values_of(run: Run) -> int:
    """How many values a settled run may have told; 0 while it runs, and without log-probabilities or bias."""
    terms = run.terms
    if terms is None or run.status is RunStatus.STARTED or terms.basis is not Basis.GRANT:
        return 0
    if terms.batch_id is not None and run.status is RunStatus.FAILED:
        return 0  # a line of a batch is handed out whole or not at all
    asked = terms.parameters
    alternatives = asked.get("logprobs")
    if not isinstance(alternatives, int):
        return _generated(run) if asked.get("logit_bias") else 0
    scored = run.prompt_tokens if asked.get("echo") else 0
    return (scored + _generated(run)) * (alternatives + 1)


def states_of(run: Run) -> int:
    """How many hidden states a run told, each as an embedding."""
    terms = run.terms
    if terms is None or terms.basis is not Basis.GRANT or not terms.parameters.get("embed") or run.receipt is None:
        return 0
    return len(statement_of(run.receipt).predicate.finish_reasons)


def _generated(run: Run) -> int:
    if run.failure_code == INTERRUPTED and run.terms is not None:
        return run.terms.reserved_tokens
    return run.completion_tokens
