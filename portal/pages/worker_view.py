"""A model worker, and how a checkpoint is halted, on screen."""

import streamlit as st

from agreements.actors import Actor
from model_access.registry import Checkpoint
from model_access.worker import WorkerState, WorkerStatus
from portal.composition import Portal
from portal.pages.parts import Consequence, Look, confirmed, fields, row
from portal.pages.words import count, literal, plain
from portal.services.workers import HaltConsequences, Halted, WorkerView

_MIB = 1 << 20
_LOOKS = {
    WorkerState.READY: ("warm", Look("local_fire_department", "green")),
    WorkerState.STARTING: ("starting", Look("hourglass_top", "blue")),
    WorkerState.COLD: ("not started", Look("ac_unit", "gray")),
    WorkerState.CLOSED: ("closed", Look("block", "gray")),
    WorkerState.FAILED: ("failed", Look("error", "red")),
}
_WHY = {
    "worker_died": "it ended while it ran something",
    "worker_stalled": "it stopped answering",
    "worker_start_failed": "it did not start in time",
    "over_memory": "it went over its memory limit",
    "checkpoint_changed": "the files are not the registered ones",
    "bad_checkpoint": "the checkpoint cannot be loaded",
    "missing_tensor": "the weights are incomplete",
    "bad_frame": "it said something that makes no sense",
}


def badge(view: WorkerView) -> None:
    """The worker's state as icon, text and colour."""
    status = view.status
    words, look = _LOOKS[status.state]
    if status.backs_off_s:
        words, look = f"backing off, {status.backs_off_s:.0f} s", Look("timer", "orange")
    if view.halted:
        words, look = "halted", Look("front_hand", "red")
    st.badge(words, icon=f":material/{look.icon}:", color=look.colour)


def facts(status: WorkerStatus) -> list[tuple[str, str]]:
    """What there is to say of a worker."""
    share = f"{status.rss_bytes / _MIB:,.0f} of {status.memory_limit_bytes / _MIB:,.0f} MiB"
    rate = status.tokens_per_s
    found = [
        ("Precision", status.precision.value),
        ("Memory", share if status.pid is not None else f"up to {status.memory_limit_bytes / _MIB:,.0f} MiB once up"),
        ("Slots in use", f"{status.slots_in_use:,} of {status.slots:,}"),
        ("Waiting", count(status.waiting, "request")),
        ("Rate", "not measured yet" if rate is None else f"{rate:,.0f} tokens a second, while it works"),
        ("Restarts", f"{status.restarts:,}"),
        ("Sandbox", literal(status.profile)),
    ]
    if status.last_error:
        found.append(("Last failure", _WHY.get(status.last_error, literal(status.last_error))))
    return found


def card(here: Portal, actor: Actor, view: WorkerView) -> None:
    """One worker with its facts and its end."""
    status = view.status
    with st.container(border=True, key=f"worker_{status.checkpoint_id}"):
        with row():
            st.markdown(f"**{literal(status.checkpoint_id)}**")
            badge(view)
        fields(facts(status))
        if status.pid is not None or status.waiting:
            confirmed(
                "End the worker",
                f"worker.evict.{status.checkpoint_id}",
                Consequence(
                    f"End the worker of {plain(status.checkpoint_id)}?",
                    lambda: (
                        f"{_stops(here.workers.foresee(actor, status.checkpoint_id))} Runs fail with an error that "
                        "says to send them again; lines of batches are run again by themselves. Its memory is freed, "
                        "and the next request starts another."
                    ),
                    "End the worker",
                    asks_reason=False,
                ),
                lambda _reason: lambda who, _key: here.workers.evict(who, status.checkpoint_id),
                done=f"The worker of {status.checkpoint_id} is ended.",
                icon="stop_circle",
            )


def halt_switch(here: Portal, actor: Actor, checkpoint: Checkpoint) -> None:
    """The kill switch of a checkpoint, or its lifting, for coordinators."""
    if checkpoint.halt is not None:
        confirmed(
            "Lift the halt",
            f"checkpoint.lift.{checkpoint.id}",
            Consequence(
                f"Lift the halt of {plain(checkpoint.id)}?",
                "Whoever may query it can again, from this moment. What was stopped stays stopped.",
                "Lift the halt",
            ),
            lambda reason: lambda who, key: here.workers.lift(who, checkpoint.id, reason=reason, idempotency_key=key),
            done=f"{checkpoint.id} can be queried again.",
            icon="play_circle",
        )
        return
    confirmed(
        "Halt",
        f"checkpoint.halt.{checkpoint.id}",
        Consequence(
            f"Halt {plain(checkpoint.id)}?",
            lambda: (
                f"{_stops(here.workers.foresee(actor, checkpoint.id))} Nothing begins on it any more, for the lab "
                "neither, until the halt is lifted. **Everybody who is stopped or refused reads the reason.**"
            ),
            "Halt it",
        ),
        lambda reason: lambda who, key: here.workers.halt(who, checkpoint.id, reason=reason, idempotency_key=key),
        done=_halted,
        icon="front_hand",
    )


def _halted(done: Halted) -> str:
    return f"{done.checkpoint.id} is halted; {count(done.stopped, 'run')} stopped."


def _stops(ahead: HaltConsequences) -> str:
    if not ahead.runs and not ahead.batches:
        return "Nothing is under way on it now."
    whose = f" of {literal(', '.join(ahead.institutions))}" if ahead.institutions else ""
    batches = f" and {count(ahead.batches, 'batch', 'batches')}" if ahead.batches else ""
    return f"**{count(ahead.runs, 'run')}{whose}{batches}** stop now, {ahead.waiting:,} of the runs before their turn."
