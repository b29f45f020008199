"""Token probabilities, as coloured text, as a picture and as a table. Tokens are a model's words, shown as such."""

import html
from math import exp

import altair as alt
import pandas as pd
import streamlit as st

from model_access.generation import Logprobs
from portal.pages.surprisal import bits, surprise_of
from portal.pages.words import count, literal, plain

_UNLIKELY_NATS = 8.0
"""At this surprise and above, a token is at its darkest."""

MOST_ROWS = 400
"""As many tokens are in the table and in the picture."""

_MARKS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥"})
_BLUE = "#2d6a9f"


def token_view(logprobs: Logprobs, *, name: str = "", scored: bool = False) -> None:
    """Each token, the darker the less likely it was; hovering shows the numbers, the table says them in words.

    ``name`` tells several on one screen apart. With ``scored`` it begins with what they add up to.
    """
    if scored:
        _sums(logprobs)
    st.caption("The darker a token, the less likely the model held it, before temperature, top-k and top-p.")
    st.html(
        '<div style="font-family:ui-monospace,monospace;line-height:1.9;white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{coloured(logprobs)}</div>"
    )
    chart, told = surprisal_plot(logprobs)
    with st.expander("Surprise by token", icon=":material/show_chart:"):
        st.caption(told)
        st.altair_chart(chart, alt=told, key=f"play_surprise.{name}")
    with st.expander("As a table", icon=":material/table:"):
        if len(logprobs.tokens) > MOST_ROWS:
            st.caption(f"The first {MOST_ROWS} of {len(logprobs.tokens):,} tokens; the API gives all.")
        st.table(table(logprobs))


def coloured(logprobs: Logprobs) -> str:
    """The tokens as HTML spans, every character escaped; hovering tells the probability and what else was likely."""
    return "".join(
        f'<span title="{html.escape(_hovered(logprobs, place), quote=True)}" '
        f'style="background:rgba(200,110,30,{_weight(value):.2f});border-radius:.2rem">'
        f"{html.escape(plain(token), quote=True)}</span>"
        for place, (token, value) in enumerate(zip(logprobs.tokens, logprobs.token_logprobs, strict=True))
    )


def table(logprobs: Logprobs) -> list[dict[str, str]]:
    """One row per token: its probability, and what else was likely. Cells are Markdown with everything escaped."""
    rows = []
    for place, (token, value) in enumerate(zip(logprobs.tokens, logprobs.token_logprobs, strict=True)):
        if place == MOST_ROWS:
            break
        listed = ", ".join(f"{literal(_shown(other))} {share:.1%}" for other, share in _others(logprobs, place))
        surprise = bits(value)
        rows.append(
            {
                "Token": literal(_shown(token)),
                "Probability": _likely(value),
                "Surprise": "" if surprise is None else f"{surprise:.2f} bits",
                "Also likely": listed,
            }
        )
    return rows


def surprisal_plot(logprobs: Logprobs) -> tuple[alt.Chart, str]:
    """How surprising each token was, as bars, and the same in a sentence."""
    rows = [
        {"Place": place + 1, "Token": _shown(token), "Bits": bits(value)}
        for place, (token, value) in enumerate(zip(logprobs.tokens, logprobs.token_logprobs, strict=True))
        if value is not None and place < MOST_ROWS
    ]
    frame = pd.DataFrame(rows, columns=["Place", "Token", "Bits"])
    chart = (
        alt.Chart(frame, height=200)
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("Place:Q", axis=alt.Axis(title="token", tickMinStep=1, format="d")),
            y=alt.Y("Bits:Q", axis=alt.Axis(title="surprise, bits")),
            tooltip=["Place", "Token", alt.Tooltip("Bits:Q", format=".2f")],
        )
    )
    if not rows:
        return chart, "No token has a probability."
    surprise = surprise_of(logprobs)
    top = max(rows, key=lambda one: float(str(one["Bits"])))
    return chart, (
        f"{count(surprise.tokens, 'token')}, {surprise.bits_per_token:.2f} bits each on average; the most surprising "
        f"one is number {top['Place']}, with {float(str(top['Bits'])):.1f} bits."
    )


def _sums(logprobs: Logprobs) -> None:
    surprise = surprise_of(logprobs)
    left, middle, right = st.columns(3)
    left.metric("Log-likelihood", f"{surprise.log_likelihood:,.2f}", help="In nats, over all tokens but the first.")
    middle.metric("Perplexity", f"{surprise.perplexity:,.2f}" if surprise.tokens else "none")
    right.metric("Bits per token", f"{surprise.bits_per_token:.2f}", help=f"Over {count(surprise.tokens, 'token')}.")


def _others(logprobs: Logprobs, place: int) -> list[tuple[str, float]]:
    """What else was likely at a place, with its probability, the likeliest first."""
    found = logprobs.top_logprobs[place] if place < len(logprobs.top_logprobs) else None
    ranked = sorted((found or {}).items(), key=lambda item: -item[1])
    return [(other, exp(value)) for other, value in ranked if other != logprobs.tokens[place]]


def _hovered(logprobs: Logprobs, place: int) -> str:
    others = [f"{plain(_shown(other))} {share:.1%}" for other, share in _others(logprobs, place)]
    return "\n".join([_likely(logprobs.token_logprobs[place]), *others])


def _shown(token: str) -> str:
    return plain(token.translate(_MARKS))


def _likely(value: float | None) -> str:
    return "first token: no probability" if value is None else f"{exp(value):.2%}"


def _weight(value: float | None) -> float:
    return 0.0 if value is None else min(-value / _UNLIKELY_NATS, 1.0) * 0.75
