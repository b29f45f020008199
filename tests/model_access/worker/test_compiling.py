"""What the engine needs compiled is there before a worker starts, and is made once."""

import subprocess
import sys
from pathlib import Path

import pytest

from model_access.worker import compiling
from model_access.worker.compiling import keep_compiled


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of two other sources, for which nothing is kept yet."""
    folder = tmp_path / "a" / "b"
    (folder / "__pycache__").mkdir(parents=True)
    for name in ("some_kernels.py", "other_kernels.py", "not_compiled.py"):
        (folder / name).write_text("a source of its own")
    monkeypatch.setattr(compiling, "_FOLDER", folder)
    return folder / "some_kernels.py"


def marks(source: Path) -> list[Path]:
    return list((source.parent / "__pycache__").glob("*.kept"))


def test_it_is_done_once_for_each_source(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    keep_compiled()
    keep_compiled()
    imports = "import model_access.engine.other_kernels, model_access.engine.some_kernels"
    assert asked == [[sys.executable, "-c", imports]]
    assert len(marks(source)) == 1
    source.with_name("not_compiled.py").write_text("another")
    keep_compiled()
    assert len(asked) == 1
    source.write_text("another")
    keep_compiled()
    assert len(asked) == len(marks(source)) == 2


def test_another_process_finds_it_done(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    keep_compiled()
    monkeypatch.setattr(compiling, "_seen_to", set())
    keep_compiled()
    assert len(asked) == len(marks(source)) == 1


@pytest.mark.parametrize("error", [OSError("full"), subprocess.TimeoutExpired("python", 1)])
def test_where_nothing_can_be_kept_workers_start_all_the_same(
    source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fails)
    keep_compiled()
    assert marks(source) == []
    assert type(error).__name__ in caplog.text


def test_a_portal_that_may_not_write_there_asks_and_is_content(
    source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (source.parent / "__pycache__").rmdir()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    keep_compiled()
    assert marks(source) == []
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


COMPILED_ANEW = """
from model_access.engine import attention_kernels, byte_kernels, float_kernels, row_kernels
for module in (attention_kernels, byte_kernels, float_kernels, row_kernels):
    for name, found in vars(module).items():
        if hasattr(found, "stats") and found.stats.cache_path:
            print(module.__name__, name, sum(found.stats.cache_misses.values()))
"""


def test_another_process_loads_the_engine_s_own_and_compiles_nothing() -> None:
    import model_access.engine.kernels
    import model_access.engine.pass_attention  # noqa: F401 - whoever does it first compiles

    ended = subprocess.run(
        [sys.executable, "-c", COMPILED_ANEW], check=True, capture_output=True, text=True, timeout=120
    )
    found = dict(line.rsplit(" ", 1) for line in ended.stdout.splitlines())
    names = {line.rsplit(" ", 1)[1] for line in found}
    assert names == {
        "attend",
        "multiply_bytes",
        "multiply_floats",
        "whole_numbers",
        "scale_and_add",
        "scale_add_and_gelu",
    }
    assert set(found.values()) == {"0"}
