"""An explanation on the screen: the verdict, the path to it, what is left, what would change it, what is coming."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from agreements.access.explanation import Course, Step, StepState
from agreements.access.sources import Source, SourceKind
from agreements.actors import Actor
from agreements.errors import Fixer
from portal.pages.context import portal
from portal.pages.explain_asked import NAMES, SCREEN, in_address
from portal.pages.menu import may_open
from portal.pages.parts import Look, copyable, go, row
from portal.pages.words import literal, sentence, when
from portal.services.explained import Dimension, Explained, Limit

_LOOKS: Final = {
    StepState.HELD: Look("check_circle", "green"),
    StepState.FAILED: Look("cancel", "red"),
    StepState.NOT_REACHED: Look("radio_button_unchecked", "gray"),
}

_ICONS: Final = {
    SourceKind.CHECKPOINT: "deployed_code",
    SourceKind.INSTITUTION: "domain",
    SourceKind.GRANT: "key",
    SourceKind.AGREEMENT: "contract",
    SourceKind.CLAUSE: "article",
    SourceKind.SUSPENSION: "pause_circle",
    SourceKind.NARROWING: "compress",
    SourceKind.DUTY: "event_repeat",
    SourceKind.PASSPORT: "badge",
    SourceKind.TOKEN: "vpn_key",
}

_NAMES_ITSELF: Final = frozenset({SourceKind.CHECKPOINT, SourceKind.INSTITUTION})
"""Known by a name that is written as it is."""

_PARAMETERS: Final = {
    Dimension.PURPOSE: "purpose",
    Dimension.OPERATION: "operation",
    Dimension.CHECKPOINT: "checkpoint",
    Dimension.PROOF: "key",
    Dimension.TIME: "at",
}
"""Under which name an alternative stands in the address."""


def answer(told: Explained, reader: Actor, now: datetime) -> None:
    """The whole answer."""
    _verdict(told)
    _path(told, reader)
    _left(told, now)
    _changes(told)
    _coming(told, now)
    for note in told.notes:
        st.caption(f":material/info: {literal(note)}")
    _taken_away(told)


def _verdict(told: Explained) -> None:
    with st.container(key="explain_verdict"):
        if told.open:
            said = [f"**{literal(told.verdict)}**"]
            if told.tightest is not None:
                said.append(f"The tightest limit is {literal(_limit_in_words(told.limits[told.tightest]))}.")
            st.success("  \n".join(said), icon=":material/check_circle:")
            return
        lines = [f"**{literal(told.verdict)}**"]
        for one in told.refusals:
            lines.append(literal(one.message))
            clears = f"**{literal(sentence(one.clears))}** can clear this." if one.clears else "Nobody can clear this."
            lines.append(f"{literal(one.hint)} {clears}".strip())
        st.error("  \n".join(lines), icon=":material/block:")
        st.caption("Refusal code " + ", ".join(f"`{one.code}`" for one in told.refusals))


# ---- the path ------------------------------------------------------------------------------------------------------


def _path(told: Explained, reader: Actor) -> None:
    st.header("How the answer comes about", anchor=False)
    visible = portal().grants.labels(reader, [course.grant_id for course in told.explanation.grants])
    _step(told.explanation.stage, visible, ())
    if not told.explanation.grants:
        st.markdown(":gray[:material/key_off:] No grant is held that could be drawn on.")
    for number, course in enumerate(told.explanation.grants):
        _course(course, reader, number)
    st.markdown("**Without a grant**")
    for step in told.explanation.others:
        _other(step)
    st.markdown("**What the access token leaves of it**")
    _step(told.explanation.token, visible, ())


def _course(course: Course, reader: Actor, number: int) -> None:
    held = sum(step.state is StepState.HELD for step in course.steps)
    if course.answer is None:
        outcome = "not asked: the answer was there before"
    elif course.answer:
        outcome = "opens it"
    else:
        outcome = f"does not open it, after {held} of {len(course.steps)} conditions"
    decided = " · **decides**" if course.decisive else ""
    title = f"Grant *{literal(course.label or course.grant_id)}* of {literal(course.holder)}: {outcome}{decided}"
    with st.expander(title, icon=":material/key:", expanded=course.decisive, key=f"explain_grant_{number}"):
        ids = {source.id for step in course.steps for source in step.sources if source.kind is SourceKind.GRANT}
        visible = portal().grants.labels(reader, [course.grant_id, *sorted(ids)])
        with row():
            if course.grant_id in visible:
                go(course.grant_id, "grants", icon="key", grant=course.grant_id)
            version = f", version {course.version}" if course.version else ""
            go(
                f"{literal(course.agreement_title)}{version}",
                "agreements",
                icon="contract",
                agreement=course.agreement_id,
            )
            if course.framework_id:
                go("Its framework", "agreements", icon="contract", agreement=course.framework_id)
        above = ((SourceKind.GRANT, course.grant_id), (SourceKind.AGREEMENT, course.agreement_id))
        for step in course.steps:
            if step.state is not StepState.NOT_REACHED:
                _step(step, visible, above)
        _not_asked(step for step in course.steps if step.state is StepState.NOT_REACHED)


def _step(step: Step, visible: Iterable[str], said_above: Sequence[tuple[SourceKind, str]]) -> None:
    """One condition. What it rests on is linked, but for what stands above it already."""
    look = _LOOKS[step.state]
    asks = f"**{literal(step.asks)}**" if step.state is not StepState.NOT_REACHED else f":gray[{literal(step.asks)}]"
    says = f" — {literal(step.says)}" if step.says else ""
    state = f" :{look.colour}-badge[{step.state.label}]" if step.state is not StepState.HELD else ""
    st.markdown(f":{look.colour}[:material/{look.icon}:] {asks}{state}{says}")
    sources = [one for one in step.sources if (one.kind, one.id) not in said_above]
    if sources:
        # Set in below the words of its condition.
        _margin, links = st.columns([1, 24])
        with links, row():
            for source in sources:
                _source(source, visible, said_above)


def _other(step: Step) -> None:
    """A ground that needs no grant. That it is not there stands in nobody's way by itself."""
    if step.state is StepState.HELD:
        st.markdown(f":green[:material/check_circle:] **{literal(step.asks)}** — {literal(step.says)}")
    elif step.state is StepState.FAILED:
        st.markdown(f":gray[:material/do_not_disturb_on:] {literal(step.asks)}: no. {literal(step.says)}")
    else:
        st.markdown(f":gray[:material/radio_button_unchecked: {literal(step.asks)}: not asked]")


def _not_asked(steps: Iterable[Step]) -> None:
    names = [step.asks for step in steps]
    if names:
        st.caption(f":material/radio_button_unchecked: Not asked any more: {literal('; '.join(names))}.")


def _source(source: Source, visible: Iterable[str], said_above: Sequence[tuple[SourceKind, str]]) -> None:
    """A link to the record; its words alone where the reader has no screen for it, or may not see it."""
    named = source.says
    if source.kind is SourceKind.CLAUSE and (SourceKind.AGREEMENT, source.agreement_id) in said_above:
        named = named.partition(", of agreement ")[0]
    icon = _ICONS[source.kind]
    words = literal(named if source.kind in _NAMES_ITSELF else sentence(named))
    screen, query = _place(source)
    if may_open(screen) and (source.kind is not SourceKind.GRANT or source.id in visible):
        go(words, screen, icon=icon, **query)
    else:
        st.caption(f":material/{icon}: {words}")


def _place(source: Source) -> tuple[str, dict[str, str]]:
    """The screen that shows a record, and what it is opened with."""
    match source.kind:
        case SourceKind.GRANT:
            return "grants", {"grant": source.id}
        case SourceKind.AGREEMENT:
            return "agreements", {"agreement": source.id}
        case SourceKind.CLAUSE:
            return "agreements", {"agreement": source.agreement_id, "part": "terms"}
        case SourceKind.SUSPENSION | SourceKind.NARROWING:
            return "agreements", {"agreement": source.agreement_id, "part": "life"}
        case SourceKind.DUTY:
            return "duties", {"agreement": source.agreement_id, "duty": source.id}
        case SourceKind.PASSPORT:
            return "passports", {"institution": source.id}
        case SourceKind.INSTITUTION:
            return "institutions", {"institution": source.id}
        case SourceKind.CHECKPOINT:
            return "checkpoints", {"checkpoint": source.id}
        case SourceKind.TOKEN:
            return "tokens", {}


# ---- limits, remedies, dates ---------------------------------------------------------------------------------------


def _left(told: Explained, now: datetime) -> None:
    if not told.limits:
        return
    st.header("What is left", anchor=False)
    for number, limit in enumerate(told.limits):
        with st.container(border=True, key=f"explain_limit_{number}"):
            _limit(limit, tightest=number == told.tightest, now=now)


def _limit(limit: Limit, *, tightest: bool, now: datetime) -> None:
    draw = limit.draw
    with row():
        st.markdown(f"**{literal(sentence(draw.says))}**")
        if limit.refused:
            st.badge("used up", icon=":material/block:", color="red")
        elif tightest:
            st.badge("tightest", icon=":material/compress:", color="orange")
    if draw.budget is not None and limit.left is not None:
        gone = limit.used + limit.held
        waiting = f", {limit.held:,} held for runs under way" if limit.held else ""
        st.progress(min(gone / draw.budget, 1.0), text=f"**{limit.left:,}** of {draw.budget:,} tokens left{waiting}")
    if draw.requests is not None and limit.requests_left is not None:
        share = min(limit.requests / draw.requests, 1.0)
        st.progress(share, text=f"**{limit.requests_left:,}** of {draw.requests:,} requests left")
    if draw.outputs is not None and limit.outputs_left is not None:
        share = 1.0 - limit.outputs_left / draw.outputs
        st.progress(share, text=f"**{limit.outputs_left:,}** of {draw.outputs:,} tokens to be generated left")
    more = []
    if draw.per_minute is not None:
        more.append(f"{limit.recent:,} of {draw.per_minute:,} requests within the last minute")
    if draw.at_once is not None:
        more.append(f"{limit.running:,} of {draw.at_once:,} runs at once under way")
    if draw.frees_at is not None:
        more.append(f"begins anew {when(draw.frees_at, now)}")
    if limit.source is not None:
        more.append(f"set by {limit.source.says}")
    if more:
        st.caption(literal(sentence("; ".join(more))))
    elif draw.budget is None and draw.requests is None and draw.outputs is None:
        st.caption("No limit applies.")


def _limit_in_words(limit: Limit) -> str:
    anew = f", anew on {limit.draw.frees_at:%Y-%m-%d}" if limit.draw.frees_at else ""
    left, budget = limit.left or 0, limit.draw.budget or 0
    return f"{limit.draw.says}: {left:,} of {budget:,} tokens are left{anew}"


def _changes(told: Explained) -> None:
    if not told.remedies and not told.alternatives:
        return
    st.header("What would change this", anchor=False)
    for number, remedy in enumerate(told.remedies):
        with st.container(border=True, key=f"explain_remedy_{number}"):
            st.markdown(f":material/build: {literal(remedy.says)}")
            if remedy.fixer is Fixer.NOBODY:
                st.caption("Nobody can clear this; it comes by itself, or not at all.")
            else:
                st.caption(f"{literal(sentence(remedy.clears))} can clear this.")
            if remedy.screen and remedy.screen != SCREEN:
                go("Where it is done", remedy.screen, icon="arrow_forward", **remedy.query)
    if told.alternatives:
        st.markdown("**Open instead**")
        with row():
            for one in told.alternatives:
                value = "yes" if one.dimension is Dimension.PROOF else one.value
                go(literal(one.says), SCREEN, icon="swap_horiz", **(_here() | {_PARAMETERS[one.dimension]: value}))


def _coming(told: Explained, now: datetime) -> None:
    if not told.ahead:
        return
    st.header("What is coming", anchor=False)
    for one in told.ahead:
        st.markdown(f":material/event: **{when(one.at, now)}**: {literal(one.says)}")


def _taken_away(told: Explained) -> None:
    with st.expander("As JSON", icon=":material/data_object:", key="explain_json"):
        copyable("The same over HTTP", f"GET /api/access/explain?{urlencode(_parameters(told), doseq=True)}")
        st.code(told.model_dump_json(indent=2), language="json", wrap_lines=True)


def _parameters(told: Explained) -> dict[str, object]:
    """The parameters with which the API answers the same."""
    ask = told.ask.model_dump(mode="json", exclude_none=True)
    narrowing, sampling = told.ask.narrowing, told.ask.sampling
    plain = ("checkpoint", "purpose", "person", "role", "institution", "email", "at", "grant")
    found: dict[str, object] = {name: ask[name] for name in plain if name in ask}
    found["operation"] = sorted(told.ask.operations)
    if told.ask.proves_key is not None:
        found["proves_key"] = "true" if told.ask.proves_key else "false"
    if narrowing is not None and narrowing.operations is not None:
        found["only_operation"] = sorted(narrowing.operations)
    if told.ask.areas is not None:
        found["area"] = sorted(told.ask.areas)
    if sampling is not None:
        found |= in_address(sampling)
        if sampling.logit_bias:
            found["logit_bias"] = "true"
    return found


def _here() -> dict[str, str]:
    """What the address says now."""
    return {name: value for name in NAMES if (value := st.query_params.get(name))}
