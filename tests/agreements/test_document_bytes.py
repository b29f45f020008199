"""What both parties sign is the same bytes in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from agreements.agreement import Agreement, Version
from agreements.canonical import digest_of
from agreements.standard_terms import template
version = Version(number=1, title="Title", clauses=template("software-access").clauses)
print(digest_of(Agreement(id="agr_1", versions=(version,)).document()))
"""


def digest_under(hash_seed: str) -> str:
    """The document's digest in a process whose sets are ordered by that seed."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout.strip()


@pytest.mark.parametrize("hash_seed", ["1", "2", "3", "4"])
def test_the_document_does_not_depend_on_the_order_of_sets(hash_seed: str) -> None:
    assert digest_under(hash_seed) == digest_under("0")
