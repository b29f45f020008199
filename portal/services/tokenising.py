"""Text to tokens and back, for whoever may query a checkpoint. No run: it costs nothing, and counts against rates."""

from collections.abc import Sequence

from agreements.access import Denied
from agreements.actors import Actor
from agreements.errors import Invalid, NotFound
from model_access.conversations import Conversation
from model_access.generation import TokenIds
from model_access.metering import Meter
from model_access.registry import Checkpoint
from model_access.worker import WorkerPool
from portal.services.checkpoints import CheckpointService
from portal.services.runs import RunService, not_served


class TokenisingService:
    """Asks a checkpoint's tokenizer."""

    def __init__(self, checkpoints: CheckpointService, runs: RunService, pool: WorkerPool, meter: Meter) -> None:
        self._checkpoints = checkpoints
        self._runs = runs
        self._pool = pool
        self._meter = meter

    def tokenize(
        self, actor: Actor, checkpoint_id: str, prompt: str | Conversation, *, purpose: str | None = None
    ) -> TokenIds:
        """The tokens that the prompt of a run would be.

        Raises NotFound for the checkpoint, the refusal where no run is open, Limited ``rate_limited``, and for a
        conversation what laying it out raises.
        """
        self._counted(actor, checkpoint_id, purpose)
        try:
            return self._pool.prompt_tokens(checkpoint_id, [prompt])[0]
        except NotFound:
            raise not_served(checkpoint_id) from None

    def detokenize(self, actor: Actor, checkpoint_id: str, tokens: Sequence[int], *, purpose: str | None = None) -> str:
        """The text of tokens. Raises the same, and Invalid ``token_out_of_vocabulary``."""
        checkpoint = self._counted(actor, checkpoint_id, purpose)
        size = checkpoint.manifest.vocabulary_size if checkpoint.manifest is not None else 0
        foreign = next((token for token in tokens if not 0 <= token < size), None)
        if foreign is not None:
            raise Invalid(
                "token_out_of_vocabulary",
                f"There is no token {foreign}; this checkpoint's vocabulary ends at {size - 1}.",
                hint="Tokens are those of this checkpoint's own tokenizer: POST /v1/tokenize gives them.",
                param="tokens",
            )
        try:
            return self._pool.detokenize(checkpoint_id, tokens)
        except NotFound:
            raise not_served(checkpoint_id) from None

    def _counted(self, actor: Actor, checkpoint_id: str, purpose: str | None) -> Checkpoint:
        """The checkpoint, once the actor may query it and the request is counted."""
        checkpoint = self._checkpoints.state(checkpoint_id)
        answer = self._checkpoints.any_run(actor, checkpoint, purpose)
        if isinstance(answer, Denied):
            raise answer.error()
        self._meter.note(self._runs.draws(actor, answer))
        return checkpoint
