"""Functions that Numba compiles for the processor at hand, kept beside their source like Python's own bytecode.

Compiling takes seconds. Whoever first imports such functions with leave to write there pays them, and everybody after
loads what was kept, workers too, who can only read there (decision 57).
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numba
import torch
from numba.core import config
from numba.core.caching import InTreeCacheLocator
from numba.core.registry import cpu_target

from model_access.engine import sources


class Beside(InTreeCacheLocator):  # type: ignore[misc]  # numba has no types
    """Where compiled functions are kept: beside their source, also where that can only be read.

    They are known by all files of such functions there, since they call one another's.
    """

    def get_source_stamp(self) -> tuple[tuple[float, int], ...]:
        """When each was last changed, and its size."""
        found = (source.stat() for source in sources(Path(self._py_file).parent))
        return tuple((stat.st_mtime, stat.st_size) for stat in found)

    def ensure_cache_path(self) -> None:
        """Make the folder if that can be done; what cannot be kept there is compiled in each process anew."""
        with suppress(OSError):
            Path(self.get_cache_path()).mkdir(exist_ok=True)


config.CACHE_LOCATOR_CLASSES = f"{Beside.__module__}.{Beside.__qualname__}"

_STRICT: Final[dict[str, Any]] = {"error_model": "numpy", "fastmath": False}
_RELAXED: Final[dict[str, Any]] = {"error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}


def processor_has(feature: str) -> bool:
    """Whether what is compiled may use a feature of the processor, by LLVM's name for it."""
    features: str = cpu_target.target_context.codegen().magic_tuple()[2]
    return f"+{feature}" in features.split(",")


def compiled(*signatures: str) -> Callable[[Callable[..., None]], Any]:
    """Compile a function for exactly the types of ``signatures``; its ``numba.prange`` is shared among threads.

    Called with any other, it raises TypeError; without any, which is for another processor, NotImplementedError. Every
    operation rounds by itself. What it calls belongs into a file of such functions too: what is kept is known by these.
    """

    def decorate(function: Callable[..., None]) -> Any:
        if not signatures:
            return _not_here
        dispatcher: Any = numba.njit(parallel=True, nogil=True, cache=True, **_STRICT)(function)
        for signature in signatures:
            with suppress(OSError):  # by then it is compiled, and only keeping it failed
                dispatcher.compile(signature)
        # Another type is a mistake; it would be compiled on the spot, where the sandbox kills whoever tries.
        dispatcher.disable_compile()
        return dispatcher

    return decorate


def _not_here(*_: object) -> None:
    raise NotImplementedError


def within(*, sums_in_any_order: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """A function that compiled ones call.

    ``sums_in_any_order``: the compiler may add up in lanes, and multiply and add at once. It settles how when it
    compiles, so bits hang on how many terms a sum has, and neither on threads nor on where numbers lie.
    """
    # Strictness is said too: what is not said, numba takes over from whichever caller is compiled first.
    made: Callable[[Callable[..., Any]], Any] = numba.njit(**(_RELAXED if sums_in_any_order else _STRICT))
    return made


def as_many_threads_as_torch() -> None:
    """Let what this thread calls of compiled functions use as many threads as torch does."""
    numba.set_num_threads(min(torch.get_num_threads(), config.NUMBA_NUM_THREADS))
