"""``concordat checkpoint tokenize|detokenize``: text to tokens and back, without a run."""

from typing import Annotated

import typer

from portal.cli.asking import CheckpointId, Prompts, Purpose, prompt_or_messages
from portal.cli.connection import connected
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output
from portal.cli.prompts import Prompt


def register(app: typer.Typer) -> None:
    """Add the commands to ``concordat checkpoint``."""

    @app.command("tokenize")
    def tokenize(
        checkpoint_id: CheckpointId,
        prompt: Prompt = None,
        prompts: Prompts = None,
        purpose: Purpose = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        """Say which tokens a prompt or a conversation would be. No run, and no charge."""
        body = {"model": checkpoint_id, **prompt_or_messages(prompt, prompts)}
        output = Output(as_json=as_json)
        with connected(data) as portal:
            answer = portal.ask("tokenize", body=body, purpose=purpose)
        # Apart by spaces, so that they can be handed to detokenize.
        output.lines(answer, [" ".join(map(str, answer["tokens"]))])
        if not as_json:
            output.note(f"Tokens: {answer['count']:,}, in a context of {answer['max_model_len']:,}.")

    @app.command("detokenize")
    def detokenize(
        checkpoint_id: CheckpointId,
        tokens: Annotated[list[int], typer.Argument(help="Token ids.")],
        purpose: Purpose = None,
        data: DataDir = DATA,
        as_json: AsJson = False,
    ) -> None:
        """Say which text tokens are. No run, and no charge."""
        with connected(data) as portal:
            answer = portal.ask("detokenize", body={"model": checkpoint_id, "tokens": tokens}, purpose=purpose)
        Output(as_json=as_json).lines(answer, answer["prompt"].split("\n"))
