"""``concordat verify FILE``: check offline, trusting nobody, what a file from a portal proves."""

from pathlib import Path
from typing import Annotated

import typer

from portal.cli.keyfiles import public_key, read_bytes
from portal.cli.options import AsJson
from portal.cli.output import Output
from portal.documents import verify_document


def register(app: typer.Typer) -> None:
    """Add the command to the program."""

    @app.command("verify")
    def verify(
        file: Annotated[
            Path, typer.Argument(help="Any signed file of a portal: a receipt, a bundle, an exported finding …")
        ],
        vkey: Annotated[
            str | None, typer.Option("--vkey", help="The log key you trust, as published at /log/vkey.")
        ] = None,
        key: Annotated[
            list[str] | None, typer.Option("--key", help="A signer's public key: 64 hex digits or a PEM file.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Check a file offline. Exit status 0 only if everything in it holds."""
        proof = verify_document(read_bytes(file), vkey=vkey, keys=[public_key(one) for one in key or []])
        output = Output(as_json=as_json)
        members = {fact.name: fact.value for fact in (*proof.facts, *proof.on_its_word)}
        output.fields(
            {"verified": True, **proof.model_dump(mode="json"), **({} if as_json else members)},
            [(name, name) for name in members],
            title=f"It holds: {proof.kind}",
        )
        if proof.on_its_word and not as_json:
            names = ", ".join(fact.name for fact in proof.on_its_word)
            nothing = "" if vkey or key else "You gave no key, so anybody could have made this file. "
            output.notes.print(
                f"{nothing}On the file's own word: {names}. Compare with what you know, or give --vkey and --key.",
                style="yellow",
            )
