"""What a finding rests on: the facts of cited runs, frozen into the version that cites them."""

from datetime import datetime

from pydantic import Field, JsonValue

from agreements.deciders import Value
from portal.inputs import Digest, Identifier


class RunFacts(Value):
    """What the portal knows about a run from its receipt, so that nobody has to type it."""

    run_id: Identifier
    checkpoint_id: Identifier
    manifest_digest: Digest
    """Digest of the checkpoint's manifest: which weights and tokenizer answered."""
    operation: str
    """The permission that was used, such as ``generate`` or ``score``."""
    sampling: dict[str, JsonValue] = Field(default_factory=dict)
    """Decoding parameters as the engine applied them."""
    seed: int | None = None
    ran_at: datetime
    institution_id: Identifier | None = None
    """The institution on whose grant the run was made, if it took one."""
    grant_id: Identifier | None = None
    agreement_digest: Digest | None = None
    receipt_digest: Digest


_INSIDE = {
    "generate": "sampled text",
    "score": "log-likelihoods of given text",
    "logprobs": "token log-probabilities",
    "embed": "embeddings",
    "activations": "internal activations",
    "fine_tune": "fine-tuning",
}


def access_statement(runs: tuple[RunFacts, ...]) -> str:
    """What access the evidence was made with; a result cannot be read without it (Casper et al. 2024).

    Derived from the runs alone, so that it says what was used rather than what somebody remembers.
    """
    if not runs:
        return "No run made through this portal is cited."
    uses = ", ".join(sorted({_INSIDE.get(run.operation, run.operation) for run in runs}))
    checkpoints = ", ".join(sorted({run.checkpoint_id for run in runs}))
    grants = sorted({run.grant_id for run in runs if run.grant_id})
    basis = f" under {', '.join(grants)}" if grants else ""
    return f"Sandboxed queries of {checkpoints}{basis}: {uses}. The weights were not available."
