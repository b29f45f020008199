"""Token probabilities, as coloured text and as a table. Tokens are a model's words and are shown as such."""

import html
from math import exp

import streamlit as st

from model_access.generation import Logprobs
from portal.pages.words import literal, plain

_UNLIKELY_NATS = 8.0
"""At this surprise and above, a token is at its darkest."""


def token_view(logprobs: Logprobs) -> None:
    """Each token, the darker the less likely it was; hovering shows the numbers, the table says them in words."""
    st.caption("The darker a token, the less likely the model held it, before temperature and top-p.")
    st.html(
        '<div style="font-family:ui-monospace,monospace;line-height:1.9;white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{coloured(logprobs)}</div>"
    )
    with st.expander("As a table"):
        st.table(table(logprobs))


def coloured(logprobs: Logprobs) -> str:
    """The tokens as HTML spans, every character escaped."""
    return "".join(
        f'<span title="{html.escape(_likely(value), quote=True)}" '
        f'style="background:rgba(200,110,30,{_weight(value):.2f});border-radius:.2rem">'
        f"{html.escape(plain(token), quote=True)}</span>"
        for token, value in zip(logprobs.tokens, logprobs.token_logprobs, strict=True)
    )


def table(logprobs: Logprobs) -> list[dict[str, str]]:
    """One row per token: its probability, and what else was likely. Cells are Markdown with everything escaped."""
    rows = []
    for place, (token, value) in enumerate(zip(logprobs.tokens, logprobs.token_logprobs, strict=True)):
        others = logprobs.top_logprobs[place] if place < len(logprobs.top_logprobs) else None
        listed = ", ".join(
            f"{_cell(other)} {exp(likelihood):.1%}"
            for other, likelihood in sorted((others or {}).items(), key=lambda item: -item[1])
            if other != token
        )
        rows.append({"Token": _cell(token), "Probability": _likely(value), "Also likely": listed})
    return rows


def _cell(token: str) -> str:
    return literal(token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥"))


def _likely(value: float | None) -> str:
    return "first token: no probability" if value is None else f"{exp(value):.2%}"


def _weight(value: float | None) -> float:
    return 0.0 if value is None else min(-value / _UNLIKELY_NATS, 1.0) * 0.75
