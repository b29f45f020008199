"""What is written about the portal is held against the portal."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer.main

from agreements.clauses import EffectKind
from model_access.stages import Stage
from portal.api.rest.application import create_api
from portal.cli.app import app
from portal.composition import Portal
from portal.config import Settings

ROOT = Path(__file__).parent.parent
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in below.items():
        yield from commands(one, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


def test_every_command_is_in_the_operators_guide() -> None:
    guide = (ROOT / "docs/guide/operator.md").read_text()
    rows = [line.split("`") for line in guide.splitlines() if line.startswith("| `concordat")]
    documented = {tuple(words) for row in rows for words in _calls(row[1::2])}
    assert {path for path in COMMANDS if path not in documented} == set()


def _calls(parts: list[str]) -> Iterator[list[str]]:
    """``concordat release list``, ``decision list\\|show`` → release list, release decision list, …"""
    first = parts[0].removeprefix("concordat ").split()
    group = first[0] if len(first) > 1 and first[-1].islower() else ""
    for number, part in enumerate(parts):
        words = [word for word in part.removeprefix("concordat ").split() if not word.isupper()]
        *lead, names = words
        if number and group:
            lead = [group, *lead]
        for name in names.replace("\\|", "|").split("|"):
            yield [*lead, name]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_answers_json_and_says_what_it_does(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    assert command.help


def test_every_route_is_in_the_interface_page() -> None:
    page = (ROOT / "docs/api.md").read_text()
    portal = cast("Portal", SimpleNamespace(settings=SimpleNamespace(max_body_bytes=1024, batch_file_bytes=1024)))
    routes = {
        f"{method.upper()} /api{path}"
        for path, methods in create_api(portal).openapi()["paths"].items()
        for method in methods
    }
    assert {route for route in routes if f"`{route}`" not in page} == set()


def test_every_setting_is_in_the_operators_guide() -> None:
    guide = (ROOT / "docs/guide/operator.md").read_text()
    undocumented = {name for name in Settings.model_fields if name != "data_dir" and f"`{name}`" not in guide}
    assert undocumented == set()


def test_every_stage_is_in_its_decision_record() -> None:
    page = (ROOT / "docs/adr/0004-who-may-query-what.md").read_text()
    assert [stage.label for stage in Stage if f"| {stage.label} |" not in page] == []


def test_what_clauses_become_is_explained_to_partners() -> None:
    page = (ROOT / "docs/guide/partner.md").read_text()
    assert [kind.value for kind in EffectKind if f"**{kind.value}**" not in page] == []


def test_every_decision_record_is_listed() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    assert [page.name for page in (ROOT / "docs/adr").glob("0*.md") if page.name not in index] == []
