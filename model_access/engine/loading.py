"""From a checkpoint's folder to a decoder: safetensors only, and none of the checkpoint's own code."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from agreements.errors import Invalid
from model_access.build import Precision, Products
from model_access.engine.decoder import Decoder
from model_access.engine.general import SharedDecoder, Unshareable
from model_access.engine.gpt2 import Gpt2Decoder, is_gpt2
from model_access.engine.kernels import products_of
from model_access.engine.one_by_one import OneByOneDecoder
from model_access.engine.packing import pack
from model_access.engine.widths import measure

_CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len")
_LONGEST_UNKNOWN = 1 << 20


def load(folder: Path, precision: Precision = Precision.FLOAT32) -> Decoder:
    """The decoder of the checkpoint in ``folder``, with the widths it was found to keep its answers in.

    Raises Invalid ``bad_checkpoint`` or ``missing_tensor``.
    """
    config = _config(folder)
    if is_gpt2(config):
        return measured(Gpt2Decoder(folder, config, precision, _end_tokens(folder, config)), config.vocab_size)
    return load_general(folder, precision)


def load_general(folder: Path, precision: Precision = Precision.FLOAT32) -> Decoder:
    """The same by way of ``transformers``, for any architecture. Raises the same."""
    config = _config(folder)
    model = _transformers_model(folder, torch.bfloat16 if precision is Precision.BFLOAT16 else torch.float32)
    products = Products(kernel="transformers")
    if precision is Precision.INT8:
        pack(model, precision)
        products = products_of(precision)
    ends = _end_tokens(folder, config)
    try:
        return measured(SharedDecoder(model, products, ends), config.get_text_config().vocab_size)
    except Unshareable:
        return OneByOneDecoder(model, products, ends, _context(config))


def measured(decoder: Decoder, vocabulary: int) -> Decoder:
    """The decoder, with its widths set."""
    decoder.widths = measure(decoder, vocabulary)
    return decoder


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - whatever the library raises, the checkpoint is what is wrong
        raise _bad(error) from None


def _transformers_model(folder: Path, dtype: torch.dtype) -> Any:
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
        )
    except Exception as error:  # noqa: BLE001 - whatever the library raises, the checkpoint is what is wrong
        raise _bad(error) from None
    model, report = loaded
    absent = sorted(report["missing_keys"]) or sorted(str(key) for key in report["mismatched_keys"])
    if absent:
        raise Invalid("missing_tensor", f"{absent[0]} is missing from the weights or has another shape.")
    return model.eval()


def _bad(error: Exception) -> Invalid:
    return Invalid("bad_checkpoint", f"transformers cannot load the checkpoint ({type(error).__name__}).")


def _context(config: Any) -> int:
    text = config.get_text_config()
    found = (getattr(text, name, None) for name in _CONTEXT_NAMES)
    return next((int(length) for length in found if isinstance(length, int)), _LONGEST_UNKNOWN)


def _end_tokens(folder: Path, config: Any) -> frozenset[int]:
    generation: Any = None
    if (folder / "generation_config.json").exists():
        try:
            generation = GenerationConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # noqa: BLE001 - as above
            raise _bad(error) from None
    for source in (generation, config):
        ends = getattr(source, "eos_token_id", None)
        if isinstance(ends, int):
            return frozenset({ends})
        if isinstance(ends, list | tuple):
            return frozenset(int(end) for end in ends)
    return frozenset()
