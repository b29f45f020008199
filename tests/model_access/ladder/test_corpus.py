from pathlib import Path

import pytest

from agreements.errors import Unavailable
from model_access.ladder.corpus import standard_library_corpus

MODULE = '''"""The first line says what the module is for, in one sentence.

    indented_code = "is left out"

It goes on for a while, so that there is enough to learn from it, and it is wrapped
over two lines which belong together.

>>> doctest()
"also left out"
"""

# A comment that explains, over more than
# one line, why something is done.
x = 1  # too short

def function() -> None:
    """Return nothing at all, in \\d different ways."""
'''


def write_library(root: Path, modules: int) -> Path:
    for place in range(modules):
        (root / f"module_{place:02}.py").write_text(MODULE.replace("first", f"number {place}"))
    return root


def test_prose_is_taken_and_code_is_left(tmp_path: Path) -> None:
    text = standard_library_corpus(write_library(tmp_path, 4)).training[0]
    assert "it is wrapped over two lines which belong together." in text
    assert "A comment that explains, over more than one line, why something is done." in text
    assert "Return nothing at all" in text
    for left_out in ("indented_code", "doctest", "also left out", "too short"):
        assert left_out not in text


def test_no_document_is_both_learned_and_held_out(tmp_path: Path) -> None:
    corpus = standard_library_corpus(write_library(tmp_path, 30))
    assert len(corpus.training) + len(corpus.held_out) == 30
    assert len(corpus.held_out) == 3
    assert not set(corpus.training) & set(corpus.held_out)


def test_the_order_is_fixed_and_other_packages_stay_out(tmp_path: Path) -> None:
    write_library(tmp_path, 5)
    before = standard_library_corpus(tmp_path)
    for folder in ("site-packages", "test", "__pycache__"):
        (tmp_path / folder).mkdir()
        write_library(tmp_path / folder, 3)
    (tmp_path / "broken.py").write_text("def (:")
    assert standard_library_corpus(tmp_path) == before


def test_topics_are_read_and_not_run(tmp_path: Path) -> None:
    write_library(tmp_path, 3)
    (tmp_path / "pydoc_data").mkdir()
    chapter = "A mapping object maps hashable values to arbitrary objects. " * 5
    (tmp_path / "pydoc_data" / "topics.py").write_text(f"topics = {{'b': {chapter!r}}}\nraise SystemExit\n")
    corpus = standard_library_corpus(tmp_path)
    assert chapter.strip() in (*corpus.training, *corpus.held_out)


def test_an_installation_without_sources_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refusal:
        standard_library_corpus(tmp_path)
    assert refusal.value.code == "no_training_text"


def test_this_python_has_enough_text() -> None:
    corpus = standard_library_corpus()
    assert sum(map(len, corpus.training)) > 1_000_000
    assert sum(map(len, corpus.held_out)) > 50_000
