"""How a checkpoint's products may be computed: a bound of grants, and what every receipt names."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer


class Precision(StrEnum):
    """How the large matrix products are computed. Sums between them and normalisation are float32 in all three for the
    GPT-2 family, and in the model's own format elsewhere."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    """Weights with one scale per output, activations with one per row, exact integer sums."""


Precisions = Annotated[frozenset[Precision], Field(min_length=1), PlainSerializer(sorted, return_type=list[str])]
"""Some of them. The bytes of what holds them must not depend on the order of a set."""
