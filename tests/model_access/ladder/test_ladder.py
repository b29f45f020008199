import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from agreements.errors import Unavailable
from model_access.ladder import (
    DEMO,
    Ladder,
    LadderProgress,
    Recipe,
    RungRecipe,
    build_ladder,
    load_ladder,
    rung_manifest,
)
from model_access.manifest import build_manifest

TINY = Recipe(
    rungs=(
        RungRecipe(id="tiny-a", layers=1, width=16, heads=2, steps=6),
        RungRecipe(id="tiny-b", layers=1, width=32, heads=2, steps=6),
    ),
    vocabulary=300,
    context_length=64,
    window=32,
    corpus_characters=40_000,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ladder, list[LadderProgress]]:
    target = tmp_path_factory.mktemp("tiny-ladder")
    heard: list[LadderProgress] = []
    return target, build_ladder(target, heard.append, recipe=TINY), heard


def test_held_out_loss_falls_strictly_with_size(ladder: Ladder) -> None:
    assert [rung.id for rung in ladder.rungs] == ["ladder-xs", "ladder-s", "ladder-m", "ladder-l"]
    for smaller, larger in pairwise(ladder.rungs):
        assert smaller.parameters < larger.parameters
        assert larger.held_out_loss < smaller.held_out_loss - 0.05
        assert larger.bits_per_byte < smaller.bits_per_byte


def test_the_loss_is_what_the_checkpoint_really_has(ladder: Ladder) -> None:
    """Measured again with transformers alone, on the same held-out text."""
    from tokenizers import Tokenizer
    from transformers import GPT2LMHeadModel

    from model_access.ladder.corpus import standard_library_corpus
    from model_access.ladder.training import encode, held_out_loss

    rung = ladder.rungs[0]
    tokenizer = Tokenizer.from_file(str(rung.folder / "tokenizer.json"))
    tokens = encode(tokenizer, standard_library_corpus().held_out)
    model = GPT2LMHeadModel.from_pretrained(rung.folder).eval()
    assert held_out_loss(model, tokens, DEMO.window) == pytest.approx(rung.held_out_loss, abs=1e-3)


def test_every_rung_is_a_whole_checkpoint(ladder: Ladder) -> None:
    for rung in ladder.rungs:
        manifest = rung_manifest(rung)
        assert manifest.digest == rung.manifest_digest
        assert manifest.architecture == "GPT2LMHeadModel"
        assert manifest.parameters == rung.parameters
        assert manifest.context_length == DEMO.context_length
    assert len({rung.manifest_digest for rung in ladder.rungs}) == 4


def test_a_whole_ladder_is_not_built_again(ladder: Ladder) -> None:
    heard: list[LadderProgress] = []
    assert build_ladder(ladder.rungs[0].folder.parent, heard.append) == ladder
    assert [progress.fraction for progress in heard] == [1.0]


def test_progress_rises_to_one_and_says_what_is_done(built: tuple[Path, Ladder, list[LadderProgress]]) -> None:
    _, _, heard = built
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert any("sizes ready" in progress.label for progress in heard)
    assert any(progress.eta_s is not None for progress in heard)


def test_torch_stays_out_of_the_callers_process(built: tuple[Path, Ladder, list[LadderProgress]]) -> None:
    target, _, _ = built
    program = (
        "import sys; from pathlib import Path; from model_access.ladder import build_ladder, Recipe;"
        f"build_ladder(Path({str(target)!r}), recipe=Recipe.model_validate_json({TINY.model_dump_json()!r}));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[3]).returncode == 0


def test_a_changed_rung_is_trained_again_and_the_others_are_kept(
    built: tuple[Path, Ladder, list[LadderProgress]],
) -> None:
    target, ladder, _ = built
    kept = (target / "tiny-b" / "model.safetensors").stat().st_mtime_ns
    (target / "tiny-a" / "config.json").write_text("{}")
    assert load_ladder(target, TINY) is None
    again = build_ladder(target, recipe=TINY)
    assert again.rungs[1] == ladder.rungs[1]
    assert (target / "tiny-b" / "model.safetensors").stat().st_mtime_ns == kept
    assert build_manifest(again.rungs[0].folder).digest == again.rungs[0].manifest_digest


def test_another_recipe_is_another_ladder(built: tuple[Path, Ladder, list[LadderProgress]]) -> None:
    target, ladder, _ = built
    assert load_ladder(target, TINY) == ladder or load_ladder(target, TINY) is not None
    assert load_ladder(target, TINY.model_copy(update={"seed": 1})) is None


def test_a_ladder_may_be_moved(built: tuple[Path, Ladder, list[LadderProgress]], tmp_path: Path) -> None:
    import shutil

    target, ladder, _ = built
    moved = load_ladder(Path(shutil.copytree(target, tmp_path / "moved")), TINY)
    assert moved is not None
    assert [rung.id for rung in moved.rungs] == [rung.id for rung in ladder.rungs]
    assert all(rung.folder.is_relative_to(tmp_path) for rung in moved.rungs)


def test_an_interrupted_build_leaves_only_whole_rungs(tmp_path: Path) -> None:
    endless = TINY.model_copy(
        update={"rungs": (TINY.rungs[0], RungRecipe(id="endless", layers=1, width=16, heads=2, steps=5000))}
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "model_access.ladder", str(tmp_path), endless.model_dump_json()],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    for _ in process.stdout:
        if (tmp_path / "tiny-a.json").exists():
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "ladder.json").exists()
    finished = json.loads((tmp_path / "tiny-a.json").read_text())
    assert finished["recipe_digest"] == endless.digest
    assert load_ladder(tmp_path, endless) is None
    assert build_manifest(tmp_path / "tiny-a").digest == finished["rung"]["manifest_digest"]
    assert not (tmp_path / "endless").exists()


def test_a_build_that_fails_is_a_refusal(tmp_path: Path) -> None:
    impossible = TINY.model_copy(update={"rungs": (RungRecipe(id="odd", layers=1, width=17, heads=2, steps=1),)})
    with pytest.raises(Unavailable) as refusal:
        build_ladder(tmp_path, recipe=impossible)
    assert refusal.value.code == "ladder_build_failed"
    assert "build.log" in refusal.value.hint
