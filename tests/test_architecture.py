"""The house's floors: what may import what, and how large a module may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agreements", "model_access", "portal")
MOST_LINES = 600

WEB_AND_STORE = {"streamlit", "fastapi", "starlette", "uvicorn", "httpx", "duckdb"}
FORBIDDEN = {
    "agreements": WEB_AND_STORE | {"model_access", "portal", "torch", "transformers"},
    "model_access": WEB_AND_STORE | {"portal"},
    "portal": {"torch", "transformers", "tests"},
}
HEAVY = sorted(WEB_AND_STORE | {"torch", "transformers", "numpy", "pydantic_settings", "psutil", "tokenizers"})


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_arrow_points_up(package: str) -> None:
    offences = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in modules(package)
        if (found := FORBIDDEN[package] & set(imported(path)))
    }
    assert offences == {}


def test_screens_reach_the_store_through_services() -> None:
    offences = [
        str(path.relative_to(ROOT))
        for path in modules("portal/pages")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("portal.store")
    ]
    assert offences == []


INHERITED = {"SafeHarbour", "IncidentNotice", "LateDuties", "Vetting", "NamedUsers", "PublicationReview"}
"""Kinds of clauses that a schedule may leave to its framework."""


def test_screens_ask_the_services_for_clauses_that_a_framework_may_hold() -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules("portal/pages")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "only"
        and any(isinstance(one, ast.Name) and one.id in INHERITED for one in node.args)
    ]
    assert offences == []


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_modules_stay_small(package: str) -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(package)
    }
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


@pytest.mark.parametrize("module", ["portal.documents", "portal.cli.app", "model_access.receipts"])
def test_a_verifier_needs_the_base_dependencies_only(module: str) -> None:
    probe = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "[]"


def test_nothing_names_the_machine_it_was_written_on() -> None:
    private = ("/" + "root/", "/" + "work/")
    suffixes = {".py", ".md", ".toml", ".txt", ".sql", ".json"}
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split(
        "\n"
    )
    offences = [
        name
        for name in listed
        if Path(name).suffix in suffixes
        and (ROOT / name).exists()
        and any(word in (ROOT / name).read_text(encoding="utf-8") for word in private)
    ]
    assert offences == []
