"""The command line as people use it: a portal's folder and the program."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from portal.cli.app import app


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


Say = Callable[..., Said]


def run(*words: str | Path, data: Path | None = None, typed: str = "") -> Said:
    """Carry out one command in this process."""
    arguments = [str(word) for word in words]
    if data is not None:
        arguments += ["--data", str(data)]
    result = CliRunner().invoke(app, arguments, input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)
