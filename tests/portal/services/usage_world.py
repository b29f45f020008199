"""Runs by the thousand for tests of usage: recorded as events and rows, without any engine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from agreements.access import Basis
from agreements.grants import Grant, Holder, HolderKind
from agreements.ids import new_id
from agreements.scopes import Operation
from model_access.build import engine_build
from model_access.receipts import RunPredicate, RunStatement, SaltedDigest, sign_receipt
from model_access.runs import RUN, CompleteRun, FailRun, RunStatus, RunTerms, StartRun
from portal.composition import Portal
from portal.services.runs import SETTLER
from portal.store import Append
from tests.portal.services.world import PURPOSE, World

AT_ONCE = 1000


@dataclass(frozen=True)
class Past:
    """One run that was."""

    person_id: str
    at: datetime
    institution_id: str | None = "north"
    grants: tuple[str, ...] = ()
    """The grant it ran on first, then those above."""
    checkpoint_id: str = "ladder-l"
    purpose: str = PURPOSE
    operation: Operation = Operation.GENERATE
    prompt_tokens: int = 4
    completion_tokens: int = 4
    status: RunStatus = RunStatus.COMPLETED
    code: str = "worker_died"
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    choices: int = 0
    """How many its receipt is about; 0 for one whose receipt nobody reads."""


def record(world: World, runs: Iterable[Past]) -> list[str]:
    """Put the runs on record in a world; its running meter hears of them when it is opened again."""
    return record_in(world.portal, runs, world.clock.now)


def record_in(portal: Portal, runs: Iterable[Past], at: datetime) -> list[str]:
    """Put the runs on record, started and ended, as of one moment. Returns their ids."""
    ids = []
    appends: list[Append] = []
    for past in runs:
        run_id = new_id("run")
        ids.append(run_id)
        terms = RunTerms(
            run_id=run_id,
            checkpoint_id=past.checkpoint_id,
            manifest_digest="sha256:" + "0" * 64,
            person_id=past.person_id,
            institution_id=past.institution_id,
            basis=Basis.GRANT if past.grants else Basis.LAB,
            grant_id=past.grants[0] if past.grants else None,
            agreement_digest=None,
            token_id=None,
            purpose=past.purpose,
            operation=past.operation,
            parameters=dict(past.parameters),
            seed=1,
            reserved_tokens=past.prompt_tokens + past.completion_tokens,
            accounts=past.grants,
        )
        state = RUN.initial
        events = list(RUN.decide(state, StartRun(terms=terms), SETTLER, past.at))
        state = RUN.fold(events)
        if past.status is not RunStatus.STARTED:
            command = (
                CompleteRun(
                    receipt=_receipt(portal, terms, past) if past.choices else {},
                    receipt_digest="sha256:" + "1" * 64,
                    lab_key="00",
                    prompt_tokens=past.prompt_tokens,
                    completion_tokens=past.completion_tokens,
                )
                if past.status is RunStatus.COMPLETED
                else FailRun(
                    code=past.code,
                    message="It ended.",
                    prompt_tokens=past.prompt_tokens,
                    completion_tokens=past.completion_tokens,
                    charged_tokens=past.prompt_tokens + past.completion_tokens,
                )
            )
            events += RUN.decide(state, command, SETTLER, past.at)
        appends.append(Append(stream=RUN.stream(run_id), expected_version=0, events=tuple(events)))
        if len(appends) == AT_ONCE:
            portal.store.commit(appends, actor=SETTLER, at=at)
            appends = []
    if appends:
        portal.store.commit(appends, actor=SETTLER, at=at)
    return ids


def _receipt(portal: Portal, terms: RunTerms, past: Past) -> dict[str, Any]:
    predicate = RunPredicate(
        **terms.model_dump(include=(RunPredicate.model_fields.keys() & RunTerms.model_fields.keys()) - {"replays"}),
        prompts=SaltedDigest.of([""]),
        outputs=SaltedDigest.of([""]),
        prompt_tokens=past.prompt_tokens,
        completion_tokens=past.completion_tokens,
        finish_reasons=("stop",) * past.choices,
        engine=engine_build(),
        sandbox="none",
        started_at=past.at,
        finished_at=past.at,
    )
    return sign_receipt(RunStatement.about(predicate), portal.kernel.lab_key).to_json()


def delegated(world: World, parent: Grant, who: str, label: str) -> Grant:
    """A part of a grant for one person, half of its budget."""
    assert parent.scope is not None
    return world.portal.grants.delegate(
        world.actor("ben"),
        parent.id,
        holder=Holder(kind=HolderKind.PERSON, id=world.people[who].id),
        label=label,
        scope=parent.scope.model_copy(update={"token_budget": parent.scope.token_budget // 2}),
    )
