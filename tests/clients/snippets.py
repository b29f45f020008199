"""Run by the interpreter of the clients: pieces of code from the guide, each by itself.

    python snippets.py asked.json told.json

``asked.json``: a list of code; ``told.json``: what each printed.
"""

import contextlib
import io
import json
import sys
from pathlib import Path


def printed(code: str) -> str:
    """What the code prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "<guide>", "exec"), {"__name__": "__main__"})  # noqa: S102 - it is our own guide's
    return said.getvalue()


def main() -> None:
    """Run them in their order."""
    codes = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps([printed(code) for code in codes]), encoding="utf-8")


if __name__ == "__main__":
    main()
