"""Which engine computed an answer: versions a verifier needs to compute it again."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import machine, python_version

from agreements.deciders import Value

PRECISION = "float32"
"""The number format weights and activations are held in."""


class EngineBuild(Value):
    """The software that ran a request."""

    concordat: str
    torch: str
    transformers: str
    tokenizers: str
    python: str
    machine: str
    precision: str = PRECISION


@cache
def engine_build() -> EngineBuild:
    """The build installed here, read from package metadata: torch itself is never imported for it."""
    return EngineBuild(
        concordat=_version("concordat"),
        torch=_version("torch"),
        transformers=_version("transformers"),
        tokenizers=_version("tokenizers"),
        python=python_version(),
        machine=machine(),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
