"""Replaying a run on its page: the prompt is brought, the run is made again, and both answers are held side by side."""

from dataclasses import dataclass

import streamlit as st

from agreements.actors import Actor
from agreements.diffs import Segment, SegmentOp
from agreements.errors import ConcordatError
from model_access.receipts import statement_of
from model_access.replay import Bearing, Circumstance, Comparison, Verdict
from model_access.runs import Run, RunTerms
from portal.pages.context import portal
from portal.pages.diff_view import paragraph
from portal.pages.parts import go, row, status, submit, untrusted
from portal.pages.play_answer import coming
from portal.pages.playing import Playing, looks
from portal.pages.reach import reach_of
from portal.pages.replay_typed import as_prompts, as_texts
from portal.pages.words import literal, sentence
from portal.pages.writing import field, refused
from portal.services.replaying import Replay, Replaying

_FORM = "replay"
_UNDER_WAY = "replay.under_way"
_LONGEST = 200_000

_BEARINGS = {
    Bearing.OTHER_ANSWER: ":material/warning: another answer is to be expected",
    Bearing.LAST_BITS: ":material/info: last bits may differ",
    Bearing.NONE: ":material/check: takes no part",
}


@dataclass
class _Followed:
    """A replay that this tab started, and what it came to once that is known."""

    replaying: Replaying
    playing: Playing
    came: Replay | ConcordatError | None = None


def replay_of(run: Run) -> None:
    """Beside a run that is a replay: what it replays, and what came of it."""
    if run.terms is None or run.terms.replays is None:
        return
    with row():
        st.badge("replay", icon=":material/replay:", color="violet")
        if run.replay_identical is not None:
            status(verdict_of(run))
        go(f"of {run.terms.replays.run_id}", "runs", icon="receipt_long", run=run.terms.replays.run_id)


def verdict_of(run: Run) -> Verdict:
    """What came of a replay that completed."""
    return Verdict.IDENTICAL if run.replay_identical else Verdict.PARTS


def replaying(actor: Actor, run: Run) -> None:
    """The replays of a run so far, and another one."""
    terms = run.terms
    if terms is None or run.receipt_digest is None:
        return
    st.header("Replay", anchor=False)
    st.caption(
        "Run it again from the receipt, and hear whether it comes out identical or where it parts. A replay is a run "
        "of your own, with your access of today, your budget and a receipt that says what came of it."
    )
    _earlier(actor, terms.run_id)
    followed = _followed(terms.run_id)
    if followed is not None:
        if not followed.playing.over:
            _follow(actor, followed)
        _show(followed)
    label = "Replay it" if followed is None else "Replay it again"
    with st.expander(label, icon=":material/replay:", expanded=followed is None):
        _asking(actor, run, terms)


def _followed(run_id: str) -> _Followed | None:
    """The replay of that run that this tab started last."""
    followed = st.session_state.get(_UNDER_WAY)
    mine = isinstance(followed, _Followed) and followed.replaying.original.run_id == run_id
    return followed if mine else None


def _earlier(actor: Actor, run_id: str) -> None:
    for run in portal().replaying.of(actor, run_id):
        if run.terms is None:
            continue
        with row():
            if run.replay_identical is None:
                status(run.status)
            else:
                status(verdict_of(run))
            go(run.terms.run_id, "runs", icon="replay", run=run.terms.run_id)
            st.caption(literal(portal().people.name(run.terms.person_id)))


def _asking(actor: Actor, run: Run, terms: RunTerms) -> None:
    choices = len(statement_of(run.receipt).predicate.finish_reasons)
    kept = portal().keeping.view(actor, terms.run_id).may_read
    if kept:
        st.caption(
            "Prompt and answer are kept: leave both empty, and they are taken from there. That is a reading, and it is "
            "recorded."
        )
    with st.form(_FORM, border=False):
        st.text_area(
            "The prompt, exactly as it was sent",
            key=field(_FORM, "prompt"),
            height=140,
            max_chars=_LONGEST,
            help="The digest in the receipt shows whether it is the very one, to the last space."
            + ("" if kept else " The portal does not keep it for you."),
        )
        st.checkbox(
            "It is JSON: several prompts, token ids, or messages",
            key=field(_FORM, "json"),
            help='For instance ["One prompt", "another"], [464, 2393] or '
            '{"messages": [{"role": "user", "content": "Hello"}]}.',
        )
        one = choices == 1
        st.text_area(
            "The answer that came then, if you kept it" if one else f"The {choices} answers that came then, as JSON",
            key=field(_FORM, "output"),
            height=120,
            max_chars=_LONGEST,
            help="Only needed to hear where the two part. "
            + ("" if one else "A list of texts, in the order of their index."),
        )
        purposes = _purposes(actor, terms)
        if len(purposes) > 1 or (purposes and terms.purpose not in purposes):
            st.selectbox(
                "Purpose",
                purposes,
                index=purposes.index(terms.purpose) if terms.purpose in purposes else 0,
                key=field(_FORM, "purpose"),
            )
        submit(
            "Replay",
            _FORM,
            lambda who, _key: _begin(who, terms.run_id, single=one),
            done="",
            then=_keep,
            icon="replay",
        )


def _purposes(actor: Actor, terms: RunTerms) -> tuple[str, ...]:
    reaches = reach_of(portal(), actor, frozenset({terms.operation}))
    return next((reach.purposes for reach in reaches if reach.checkpoint.id == terms.checkpoint_id), ())


def _begin(who: Actor, run_id: str, *, single: bool) -> Replaying:
    """Start what the form describes, unless this tab follows one that is under way: a second click starts nothing.

    Raises Invalid for JSON that is none, and what the service refuses.
    """
    under_way = _followed(run_id)
    if under_way is not None and not under_way.playing.over:
        return under_way.replaying
    state = st.session_state
    typed, answer = str(state.get(field(_FORM, "prompt"), "")), str(state.get(field(_FORM, "output"), ""))
    return portal().replaying.begin(
        who,
        run_id,
        prompts=None if not typed else as_prompts(typed) if state.get(field(_FORM, "json")) else (typed,),
        outputs=None if not answer else (answer,) if single else as_texts(answer),
        purpose=state.get(field(_FORM, "purpose")),
    )


def _keep(begun: Replaying) -> None:
    """Follow it in this tab, where that is not done already."""
    under_way = _followed(begun.original.run_id)
    if under_way is None or under_way.replaying is not begun:
        st.session_state[_UNDER_WAY] = _Followed(begun, Playing(begun.run, None))


def _follow(actor: Actor, followed: _Followed) -> None:
    """Show the answer as it comes."""
    with row():
        st.button("Stop", key="replay_stop", icon=":material/stop:", on_click=followed.playing.stop)
        st.caption(f"`{followed.playing.run.run_id}`")
    box = st.empty()
    for _look in looks(followed.playing):
        with box.container():
            coming(portal(), actor, followed.playing)
    st.rerun()


def _show(followed: _Followed) -> None:
    """The verdict, the difference side by side, and what else was otherwise."""
    if followed.came is None:
        try:
            followed.came = followed.replaying.result()
        except ConcordatError as refusal:
            followed.came = refusal
    came = followed.came
    with st.container(border=True, key="replay_came"):
        if isinstance(came, ConcordatError):
            refused(came)
            go("The replay", "runs", icon="receipt_long", run=followed.playing.run.run_id)
            return
        told = came.comparison
        (st.success if told.identical else st.warning)(told.says, icon=_ICONS[told.verdict])
        _answers(came, followed.replaying.known)
        _otherwise(told)
        go("The replay and its receipt", "runs", icon="receipt_long", run=came.run_id)


_ICONS = {Verdict.IDENTICAL: ":material/verified:", Verdict.PARTS: ":material/call_split:"}


def _answers(came: Replay, known: tuple[str, ...] | None) -> None:
    where = came.comparison.where
    if where is None or known is None:
        for index, text in enumerate(came.outputs):
            untrusted(text, label=f"Answer {index + 1}" if len(came.outputs) > 1 else "The answer")
        return
    if len(known) > 1:
        st.caption(f"Answer {where.choice + 1} of {len(known)} is the first that differs.")
    sides = st.columns(2)
    for side, named, text, fate in zip(
        sides,
        ("Then", "Now"),
        (known[where.choice], came.outputs[where.choice]),
        (SegmentOp.REMOVED, SegmentOp.ADDED),
        strict=True,
    ):
        with side, st.container(border=True):
            st.caption(named)
            same, rest = text[: where.character], text[where.character :]
            st.html(paragraph((Segment(op=SegmentOp.SAME, text=same), Segment(op=fate, text=rest))))


def _otherwise(told: Comparison) -> None:
    if told.endings:
        st.table(
            [{"What": sentence(one.name), "Then": literal(one.then), "Now": literal(one.now)} for one in told.endings],
            border="horizontal",
            hide_index=True,
        )
    if told.circumstances:
        st.caption("Otherwise than in the receipt")
        st.table([_circumstance(one) for one in told.circumstances], border="horizontal", hide_index=True)
    else:
        st.caption("Checkpoint, engine, precision, threads, machine and sandbox are those of the receipt.")


def _circumstance(one: Circumstance) -> dict[str, str]:
    return {
        "What": sentence(one.name),
        "Then": literal(one.then),
        "Now": literal(one.now),
        "What it means": f"{_BEARINGS[one.bearing]}. {one.means}",
    }
