"""The demo ladder: four small GPT-2s trained on this machine, so that everything can be shown on real parts."""

from model_access.ladder.build import build_ladder
from model_access.ladder.files import load_ladder, rung_manifest
from model_access.ladder.recipe import DEMO, Recipe, RungRecipe
from model_access.ladder.rungs import FAMILY, Ladder, LadderProgress, Rung

__all__ = [
    "DEMO",
    "FAMILY",
    "Ladder",
    "LadderProgress",
    "Recipe",
    "Rung",
    "RungRecipe",
    "build_ladder",
    "load_ladder",
    "rung_manifest",
]
