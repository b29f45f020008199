"""What came of a run: the text as it comes, how it ended, what it cost and what proves it."""

import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError, Withdrawn
from model_access.generation import ChoiceResult
from portal.composition import Portal
from portal.pages import links
from portal.pages.parts import go, row, untrusted
from portal.pages.play_queue import waiting
from portal.pages.play_snippets import snippets
from portal.pages.playing import Asked, Column, Pace, Played, Playing, looks
from portal.pages.token_view import token_view
from portal.pages.words import count, literal
from portal.pages.writing import refused

_ENDED = {"stop": "it ended by itself or at a stop", "length": "the limit was reached"}
CANCELLED = "cancelled"


def paced(pace: Pace) -> str:
    """How fast a run is or was, in words."""
    if not pace.tokens:
        return f"No token in {pace.took_s:.1f} s"
    speed = "" if pace.per_second is None else f" · {pace.per_second:,.0f} tokens/s"
    return f"{count(pace.tokens, 'token')}{speed} · {pace.took_s:.1f} s · first after {pace.waited_s:.1f} s"


def follow(portal: Portal, actor: Actor, played: Played) -> None:
    """Show the answers as they come, and let them be stopped."""
    with row():
        st.button("Stop", key="play_stop_run", icon=":material/stop:", on_click=played.stop)
        st.caption(" ".join(f"`{run_id}`" for run_id in played.run_ids))
    boxes = [place.empty() for place in _places(played)]
    for _look in looks(played):
        for box, column in zip(boxes, played.columns, strict=True):
            with box.container():
                _column(portal, actor, column, named=len(boxes) > 1)
    st.rerun()


def show(portal: Portal, actor: Actor, played: Played) -> None:
    """The whole answers, what they cost, and where their receipts are."""
    with st.container(border=True, key="play_answer"):
        several = len(played.columns) > 1
        for place, column in zip(_places(played), played.columns, strict=True):
            with place:
                if several:
                    st.markdown(f"**{literal(column.checkpoint_id)}**")
                _whole(portal, actor, played.asked, column)
        if several:
            _together(played)


def _places(played: Played) -> "list[st.delta_generator.DeltaGenerator]":
    return [st.container()] if len(played.columns) == 1 else list(st.columns(len(played.columns)))


def coming(portal: Portal, actor: Actor, playing: Playing) -> None:
    """A run as far as it has come; before that, where it stands in the queue."""
    answers = playing.answers()
    for answer in answers:
        untrusted(answer.text)
    st.caption(paced(playing.pace()) if answers else waiting(portal, actor, playing.run.run_id))


def _column(portal: Portal, actor: Actor, column: Column, *, named: bool) -> None:
    if named:
        st.markdown(f"**{literal(column.checkpoint_id)}**")
    if column.playing is not None:
        coming(portal, actor, column.playing)
    elif column.refusal is not None:
        refused(column.refusal)


def _whole(portal: Portal, actor: Actor, asked: Asked, column: Column) -> None:
    playing = column.playing
    if playing is None:
        if column.refusal is not None:
            refused(column.refusal)
        return
    try:
        result = playing.run.result()
    except ConcordatError as refusal:
        _unfinished(portal, actor, playing, refusal)
        return
    for choice in result.choices:
        untrusted(choice.text, label=heading_of(asked, choice))
        if choice.logprobs is not None:
            token_view(choice.logprobs, name=f"{playing.run.run_id}.{choice.index}", scored=asked.recipe.scores)
    st.caption(f"{_cost(playing, result.run.charged_tokens)} {'' if asked.recipe.scores else paced(playing.pace())}")
    with row():
        go(playing.run.run_id, "runs", icon="receipt_long", run=playing.run.run_id)
        st.link_button("Receipt", links.receipt(playing.run.run_id), icon=":material/download:")
        go("File a finding from this run", "file_finding", icon="edit_document", run=playing.run.run_id)
        _as_code(portal, asked, column)


def heading_of(asked: Asked, choice: ChoiceResult) -> str:
    """What an answer is called, and how it ended."""
    if asked.recipe.scores:
        return "The text"
    return f"Answer {choice.index + 1}: {_ENDED.get(choice.finish_reason or '', '')}"


def _unfinished(portal: Portal, actor: Actor, playing: Playing, refusal: ConcordatError) -> None:
    for answer in playing.answers():
        untrusted(answer.text, label="What had come until then")
    if isinstance(refusal, Withdrawn):
        st.warning(
            "The run was stopped between two tokens, because access was withdrawn while it ran.",
            icon=":material/front_hand:",
        )
    if playing.stopped and refusal.code == CANCELLED:
        charged = portal.runs.get(actor, playing.run.run_id).charged_tokens
        st.info(
            f"You stopped it between two tokens. {count(charged, 'token')} charged; the rest of what was held is free "
            "again. A run that was stopped leaves no receipt: run it again with the same seed to have one.",
            icon=":material/stop_circle:",
        )
        st.caption(paced(playing.pace()))
    else:
        refused(refusal)
    go("The run", "runs", icon="receipt_long", run=playing.run.run_id)


def _cost(playing: Playing, charged: int) -> str:
    used = f"Used {count(charged, 'token')}"
    if playing.budget_before is None:
        return f"{used}. No budget applies."
    after = max(playing.budget_before - charged, 0)
    return f"{used}: {playing.budget_before:,} were left before, {after:,} after."


def _together(played: Played) -> None:
    completed = [
        column.playing.run.run_id
        for column in played.columns
        if column.playing is not None and column.playing.run.outcome.exception() is None
    ]
    if len(completed) > 1:
        go("File a finding from these runs", "file_finding", icon="edit_document", run=",".join(completed))


def _as_code(portal: Portal, asked: Asked, column: Column) -> None:
    key = f"play_code.{column.playing.run.run_id}" if column.playing else "play_code"
    copied = st.popover("As code", icon=":material/code:", key=key, on_change="rerun")
    if not copied.open:
        return
    with copied:
        st.caption(
            "The same request by the model API. `CONCORDAT_TOKEN` holds an access token; it is never shown here."
        )
        for name, (language, code) in snippets(asked, column.checkpoint_id, portal.settings.url).items():
            st.caption(name)
            st.code(code, language=language, wrap_lines=True)
        go("Tokens", "tokens", icon="vpn_key")
