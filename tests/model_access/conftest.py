"""Tiny checkpoints with random weights, for tests that need a model and not what it says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 320
CONTEXT = 96


def save_tokenizer(folder: Path) -> None:
    """A byte-level BPE with a few merges, so that characters split across tokens and tokens hold several characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the other than this that, the theory of there and then " * 4], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))


def make_checkpoint(folder: Path, architecture: str = "gpt2", seed: int = 11, layers: int = 2, width: int = 32) -> Path:
    """A random causal language model of the named architecture in ``folder``."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        GPTNeoConfig,
        GPTNeoForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        MixtralConfig,
        MixtralForCausalLM,
        OPTConfig,
        OPTForCausalLM,
    )

    torch.manual_seed(seed)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    grouped = {
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        **ends,
    }
    if architecture == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=width, n_layer=layers, n_head=4, **ends)
        )
    elif architecture == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                intermediate_size=64,
                **grouped,
            )
        )
    elif architecture == "mistral":
        model = MistralForCausalLM(
            MistralConfig(
                intermediate_size=64,
                sliding_window=7,
                **grouped,
            )
        )
    elif architecture == "gpt-neo":
        model = GPTNeoForCausalLM(
            GPTNeoConfig(
                vocab_size=VOCABULARY,
                max_position_embeddings=CONTEXT,
                hidden_size=32,
                num_layers=2,
                num_heads=4,
                attention_types=[[["global", "local"], 1]],
                window_size=8,
                **ends,
            )
        )
    elif architecture == "mixtral":
        model = MixtralForCausalLM(
            MixtralConfig(
                intermediate_size=32,
                num_local_experts=4,
                **grouped,
            )
        )
    else:
        model = OPTForCausalLM(
            OPTConfig(
                vocab_size=VOCABULARY,
                max_position_embeddings=CONTEXT,
                hidden_size=32,
                ffn_dim=64,
                num_hidden_layers=layers,
                num_attention_heads=4,
                word_embed_proj_dim=32,
                pad_token_id=1,
                **ends,
            )
        )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(8.0)  # untrained models are nearly indifferent; these have opinions
    model.save_pretrained(folder)
    save_tokenizer(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    return folder


@pytest.fixture(scope="session")
def checkpoint_maker() -> Callable[..., Path]:
    """``make_checkpoint``, for tests that need another architecture."""
    return make_checkpoint


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of two layers."""
    return make_checkpoint(tmp_path_factory.mktemp("tiny"))
