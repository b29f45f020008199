"""A tree of grants on a real file: crowds, crashes and changes above in any order, and never beyond any budget."""

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agreements.errors import Conflict, Forbidden, Invalid, Limited
from agreements.grants import Grant, GrantStatus, Holder, HolderKind
from agreements.grants.tree import path_to_root
from agreements.scopes import excesses
from portal.services.aggregates import GRANTS
from tests.portal.services.world import PURPOSE, ask, make_world

PER_RUN = 8
"""Tokens of ``ask()``: four words, four more."""

HOLDERS = ("ben", "cleo", "nina")


class Service(RuleBasedStateMachine):
    """North's grant and what is passed on from it, by the real services."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = make_world(self.folder)
        self.world.checkpoint("ladder-l")
        root = self.world.grant(token_budget=40 * PER_RUN)
        self.ids = [root.id]
        self.most = {root.id: 40 * PER_RUN}

    def teardown(self) -> None:
        self.world.portal.close()
        shutil.rmtree(self.folder)

    def grant(self, number: int) -> Grant:
        return self.world.portal.kernel.state(GRANTS, self.ids[number % len(self.ids)])

    @rule(number=st.integers(0, 20), holder=st.sampled_from(HOLDERS), runs=st.integers(1, 20))
    def delegate(self, number: int, holder: str, runs: int) -> None:
        parent, person = self.grant(number), self.world.people[holder]
        assert parent.scope is not None
        with suppress(Invalid, Conflict):
            made = self.world.portal.grants.delegate(
                self.world.actor("ben"),
                parent.id,
                holder=Holder(kind=HolderKind.PERSON, id=person.id),
                label="a part of it",
                scope=parent.scope.model_copy(update={"token_budget": runs * PER_RUN, "request_budget": runs}),
            )
            self.ids.append(made.id)
            self.most[made.id] = runs * PER_RUN

    @rule(number=st.integers(0, 20), runs=st.integers(1, 20))
    def narrow(self, number: int, runs: int) -> None:
        grant = self.grant(number)
        assert grant.scope is not None
        # Not below what is used already: that a budget is cut later says nothing about the runs before.
        least = max(runs * PER_RUN, self.world.portal.grants.usage(grant.id).settled)
        scope = grant.scope.model_copy(update={"token_budget": least})
        with suppress(Invalid, Conflict):
            self.world.portal.grants.narrow(self.world.actor("ada"), grant.id, scope=scope, reason="less work")

    @rule(number=st.integers(1, 20), lifts=st.booleans())
    def suspend_or_lift(self, number: int, lifts: bool) -> None:
        service = self.world.portal.grants
        with suppress(Conflict):
            (service.lift if lifts else service.suspend)(
                self.world.actor("ada"), self.grant(number).id, reason="looked into"
            )

    @rule(number=st.integers(1, 20))
    def revoke(self, number: int) -> None:
        grant = self.grant(number)
        if grant.parent_id:
            with suppress(Conflict):
                self.world.portal.grants.revoke(self.world.actor("ben"), grant.id, reason="it is over")

    @rule(number=st.integers(0, 20), crowd=st.integers(1, 8))
    def run(self, number: int, crowd: int) -> None:
        grant = self.grant(number)
        holder = next((name for name in HOLDERS if self.world.people[name].id == grant.holder.id), "ben")
        actor = self.world.actor(holder).model_copy(update={"grant_id": grant.id})
        line = (grant, *path_to_root(grant, lambda one: self.world.portal.kernel.state(GRANTS, one)))

        def once(_: int) -> bool:
            try:
                self.world.portal.runs.begin(actor, "ladder-l", ask(), purpose=PURPOSE).result()
            except (Forbidden, Limited):
                return False
            return True

        with ThreadPoolExecutor(crowd) as threads:
            ran = sum(threads.map(once, range(crowd)))
        if any(one.status is not GrantStatus.ACTIVE for one in line):
            assert ran == 0

    @rule(streamed=st.booleans())
    def crash_amid_a_run(self, streamed: bool) -> None:
        self.world.pool.holds = True
        with suppress(Forbidden, Limited):
            self.world.portal.runs.begin(self.world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE, stream=streamed)
        self.world.pool.holds = False
        self.world.reopen(crash=True)

    @invariant()
    def nothing_is_beyond_what_is_above_it(self) -> None:
        below: dict[str, int] = {}
        for grant_id in self.ids:
            grant, usage = self.grant(self.ids.index(grant_id)), self.world.portal.grants.usage(grant_id)
            assert grant.scope is not None
            assert usage.reserved == usage.running == 0
            assert usage.settled <= self.most[grant_id]
            if grant.scope.request_budget is not None:
                assert usage.requests <= grant.scope.request_budget
            below[grant.parent_id] = below.get(grant.parent_id, 0) + usage.settled
            if grant.status is GrantStatus.REVOKED or not grant.parent_id:
                continue
            parent = self.world.portal.kernel.state(GRANTS, grant.parent_id)
            assert parent.scope is not None
            assert parent.status is not GrantStatus.REVOKED
            assert excesses(grant.scope, parent.scope) == ()
        for parent_id, used in below.items():
            if parent_id:
                assert used <= self.world.portal.grants.usage(parent_id).settled


TestService = Service.TestCase
TestService.settings = settings(stateful_step_count=20, max_examples=12, deadline=None)
