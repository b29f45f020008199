"""Training one rung: a GPT-2 of ``transformers``, learned with Muon and Adam in a minute on a laptop.

Muon (Keller Jordan, 2024) steps every weight matrix by its momentum made orthogonal. On runs this short it halves the
tokens needed against Adam alone, which is what makes the demo's first start bearable.
"""

import threading
from collections.abc import Callable, Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from model_access.ladder.recipe import Recipe, RungRecipe

END_OF_TEXT = "<|endoftext|>"
_WARM_UP_STEPS = 50
_MOMENTUM = 0.95
_EVALUATION_WINDOWS = 160
_INITIALISING = threading.Lock()  # torch has one generator for the process; each rung starts from the same seed


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE of ``vocabulary`` entries; entry 0 ends a text. Any text survives a round trip."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """All texts as one row of token ids, each text preceded by the end-of-text token."""
    ids: list[int] = []
    for encoding in tokenizer.encode_batch(list(texts)):
        ids += [0, *encoding.ids]
    return torch.tensor(ids)


def train(recipe: Recipe, rung: RungRecipe, tokens: torch.Tensor, on_step: Callable[[int], None]) -> GPT2LMHeadModel:
    """The trained model. ``tokens`` is one long row (T,); ``on_step`` hears how many steps are done."""
    model = _fresh_model(recipe, rung)
    order = torch.Generator().manual_seed(recipe.seed)
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and ".h." in name]
    chosen = {id(weight) for weight in matrices}
    adam = torch.optim.Adam(
        [weight for weight in model.parameters() if id(weight) not in chosen], lr=recipe.other_rate, betas=(0.9, 0.95)
    )
    momenta = [torch.zeros_like(weight) for weight in matrices]
    for step in range(rung.steps):
        pace = _pace(step, rung.steps)
        batch = _windows(tokens, recipe, order)
        loss = _loss(model, batch, "mean")
        model.zero_grad()
        torch.autograd.backward(loss)
        adam.param_groups[0]["lr"] = recipe.other_rate * pace
        adam.step()
        with torch.no_grad():
            for weight, momentum in zip(matrices, momenta, strict=True):
                _muon_step(weight, momentum, recipe.matrix_rate * pace)
        on_step(step + 1)
    return model.eval()


def _fresh_model(recipe: Recipe, rung: RungRecipe) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=recipe.vocabulary,
        n_positions=recipe.context_length,
        n_embd=rung.width,
        n_layer=rung.layers,
        n_head=rung.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    with _INITIALISING:
        torch.manual_seed(recipe.seed)
        return GPT2LMHeadModel(config)


def held_out_loss(model: GPT2LMHeadModel, tokens: torch.Tensor, window: int) -> float:
    """Mean negative log-likelihood in nats per token over windows spread evenly through ``tokens`` (T,)."""
    count = min(len(tokens) // window, _EVALUATION_WINDOWS)
    starts = torch.linspace(0, len(tokens) - window, count).long()
    batch = torch.stack([tokens[start : start + window] for start in starts.tolist()])
    with torch.inference_mode():
        total = sum(float(_loss(model, part, "sum")) for part in torch.split(batch, 16))
    return total / (count * (window - 1))


def _pace(step: int, steps: int) -> float:
    """Learning-rate factor: a short warm-up, a plateau, then straight down to zero over the second half."""
    return min(1.0, (step + 1) / _WARM_UP_STEPS, 2.0 * (steps - step) / steps)


def _windows(tokens: torch.Tensor, recipe: Recipe, order: torch.Generator) -> torch.Tensor:
    starts = torch.randint(0, len(tokens) - recipe.window, (recipe.batch,), generator=order)
    return torch.stack([tokens[start : start + recipe.window] for start in starts.tolist()])


def _loss(model: GPT2LMHeadModel, batch: torch.Tensor, reduction: str) -> torch.Tensor:
    logits: torch.Tensor = model(batch, use_cache=False).logits[:, :-1]  # (B, T - 1, vocabulary)
    return cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction=reduction)


def _muon_step(weight: torch.Tensor, momentum: torch.Tensor, rate: float) -> None:
    gradient = weight.grad
    if gradient is None:
        return
    momentum.lerp_(gradient, 1 - _MOMENTUM)
    update = _orthogonal(gradient.lerp(momentum, _MOMENTUM))
    # GPT-2 stores its matrices (in, out): scale by the shape so that every output moves alike.
    scale = max(1.0, weight.size(1) / weight.size(0)) ** 0.5
    weight.mul_(1 - 0.1 * rate).sub_(update, alpha=rate * scale)


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with singular values about 1, by five Newton–Schulz steps."""
    tall = matrix.size(0) > matrix.size(1)
    x: torch.Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x
