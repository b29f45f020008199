"""Reading a checkpoint's tensors one by one, so that packing them never holds two copies of more than one."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open

from agreements.errors import Invalid

_INDEX = "model.safetensors.index.json"


class Weights:
    """The tensors of a folder's safetensors files, by name. A context: files are closed at its end."""

    def __init__(self, folder: Path) -> None:
        """Raises Invalid ``bad_checkpoint``."""
        self._files: list[Any] = []
        self._of: dict[str, Any] = {}
        try:
            index = folder / _INDEX
            names = {"model.safetensors"}
            if index.exists():
                names = set(json.loads(index.read_text())["weight_map"].values())
            for name in sorted(names):
                file: Any = safe_open(folder / Path(name).name, framework="pt")
                file.__enter__()
                self._files.append(file)
                self._of |= dict.fromkeys(file.keys(), file)
        except (OSError, KeyError, AttributeError, ValueError, SafetensorError) as error:
            raise Invalid("bad_checkpoint", f"The weights cannot be read ({type(error).__name__}).") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files:
            file.__exit__(kind, error, at)

    def __contains__(self, name: str) -> bool:
        return name in self._of

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """One tensor in float32. Raises Invalid ``missing_tensor`` if it is not there in this shape."""
        file = self._of.get(name)
        tensor: torch.Tensor | None = file.get_tensor(name) if file is not None else None
        if tensor is None or tuple(tensor.shape) != shape:
            raise Invalid("missing_tensor", f"{name} is missing from the weights or has another shape.")
        return tensor.float()
