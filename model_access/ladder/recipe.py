"""What the demo ladder is made of. Change anything here and every ladder is built anew."""

from agreements.canonical import digest_of
from agreements.deciders import Value


class RungRecipe(Value):
    """One size: its shape, and how long it learns."""

    id: str
    layers: int
    width: int
    heads: int
    steps: int

    @property
    def matrix_parameters(self) -> int:
        """Weights of the transformer blocks, the part that grows with the square of the width."""
        return 12 * self.layers * self.width**2


class Recipe(Value):
    """The whole family. All rungs see the same text in the same order, larger ones more of it."""

    rungs: tuple[RungRecipe, ...]
    """Smallest first."""
    vocabulary: int = 2048
    context_length: int = 256
    window: int = 128
    """Tokens per training sequence."""
    batch: int = 4
    """Sequences per step."""
    matrix_rate: float = 0.02
    """Peak learning rate of the blocks' weight matrices (Muon)."""
    other_rate: float = 3e-3
    """Peak learning rate of embeddings, norms and biases (Adam)."""
    seed: int = 2019
    corpus_characters: int | None = None
    """Train the tokenizer and the models on this much text only; ``None`` is all of it."""

    @property
    def digest(self) -> str:
        """Names this recipe; a ladder built by another one is not reused."""
        return digest_of({"recipe": 2, **self.model_dump(mode="json")})

    def cost(self, rung: RungRecipe) -> float:
        """Expected work of one rung, in arbitrary units, for an even progress bar."""
        logits = rung.width * self.vocabulary
        overhead = 60_000 * rung.layers + 60_000
        return rung.steps * (rung.matrix_parameters + logits + overhead)


DEMO = Recipe(
    rungs=(
        RungRecipe(id="ladder-xs", layers=1, width=32, heads=2, steps=400),
        RungRecipe(id="ladder-s", layers=2, width=64, heads=4, steps=500),
        RungRecipe(id="ladder-m", layers=3, width=96, heads=4, steps=700),
        RungRecipe(id="ladder-l", layers=4, width=128, heads=4, steps=850),
    )
)
"""About two minutes on two cores."""
