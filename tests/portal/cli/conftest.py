"""A portal made by the program, for its commands."""

from pathlib import Path

import pytest

from tests.portal.cli.cli_stand import Said, Say, run


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portal made by ``concordat init``; each test makes the objects it changes."""
    data = tmp_path_factory.mktemp("cli") / "data"
    said = run(
        "init", "--lab", "Meridian Lab", "--coordinator", "Mara Lindqvist", "--email", "m@lab.example", data=data
    )
    assert said.status == 0, said.err
    return data


@pytest.fixture
def say(home: Path) -> Say:
    """Commands on that portal."""

    def commanded(*words: str | Path, typed: str = "") -> Said:
        return run(*words, data=home, typed=typed)

    return commanded
