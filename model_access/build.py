"""Which engine computed an answer: versions a verifier needs to compute it again."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import machine, python_version
from typing import Annotated

from pydantic import Field

from agreements.deciders import Value, later
from agreements.precision import Precision

__all__ = ["ARITHMETIC", "EngineBuild", "Precision", "Products", "engine_build"]

ARITHMETIC = 4
"""Counts the changes to the engine that change last bits of its answers; receipts before the second do not say it."""


class Products(Value):
    """How large matrix products are computed on the processor at hand; a worker says it once it is ready."""

    kernel: Annotated[str, Field(pattern=r"^[a-z0-9 ]{1,40}$")]
    weight_bits: int | None = Field(default=None, ge=2, le=8)
    """Of each weight in int8: eight, but seven in receipts of before decision 58 from processors without VNNI."""


class EngineBuild(Value):
    """The software that ran a request."""

    concordat: str
    torch: str
    transformers: str
    tokenizers: str
    python: str
    machine: str
    precision: str = Precision.FLOAT32.value
    """How products are computed; see ``Precision``."""
    threads: int | None = later()
    """Processor threads of the worker: with another number, last bits may differ."""
    arithmetic: int | None = later()
    """Which order of operations the engine's own code takes; see ``ARITHMETIC``."""
    numba: str | None = later()
    """Compiles what the engine does to rows; another version may round sums otherwise."""
    kernel: str | None = later()
    weight_bits: int | None = later()
    """See ``Products``."""


def engine_build(
    precision: Precision = Precision.FLOAT32, threads: int | None = None, products: Products | None = None
) -> EngineBuild:
    """The build installed here, read from package metadata: torch itself is never imported for it."""
    installed = _installed(precision, threads)
    return installed if products is None else installed.model_copy(update=dict(products))


@cache
def _installed(precision: Precision, threads: int | None) -> EngineBuild:
    return EngineBuild(
        concordat=_version("concordat"),
        torch=_version("torch"),
        transformers=_version("transformers"),
        tokenizers=_version("tokenizers"),
        python=python_version(),
        machine=machine(),
        precision=precision.value,
        threads=threads,
        arithmetic=ARITHMETIC,
        numba=_version("numba"),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
