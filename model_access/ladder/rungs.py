"""The demo ladder as its users see it: four checkpoints of one family, smallest first."""

from pathlib import Path

from agreements.deciders import Value

FAMILY = "ladder"


class Rung(Value):
    """One trained checkpoint of the ladder."""

    id: str
    folder: Path
    parameters: int
    held_out_loss: float
    """Mean negative log-likelihood on text it was not trained on, in nats per token."""
    bits_per_byte: float
    """The same loss per byte of that text, in bits; comparable between tokenizers."""
    manifest_digest: str


class Ladder(Value):
    """The whole family."""

    family: str = FAMILY
    rungs: tuple[Rung, ...]
    """Smallest first; the last one is the one withheld."""


class LadderProgress(Value):
    """How far a build is."""

    fraction: float
    """0 to 1 of the expected work, never falling."""
    label: str
    """What is being done, for people."""
    eta_s: float | None = None
    """Seconds left, once there is a basis for a guess."""
