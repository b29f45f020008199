"""Runs under way in a world, and the acts that take their access away."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.errors import Withdrawn
from agreements.grants import Grant, Holder, HolderKind
from model_access.registry import ChangeStage
from model_access.stages import Stage
from portal.services.active import ActiveRun
from portal.services.aggregates import CHECKPOINTS
from tests.portal.services.token_world import jwks_of, new_key
from tests.portal.services.world import PURPOSE, Asked, World, ask

MODEL = "ladder-l"
PROMPT = 4
"""Tokens of what ``ask()`` reads."""


@dataclass
class Running:
    """A run that the engine is busy with, and the engine's side of it."""

    world: World
    run: ActiveRun
    engine: Asked

    @property
    def stopped(self) -> bool:
        """Whether the engine was told to stop."""
        return self.engine in self.world.pool.cancelled

    def withdrawn(self) -> Withdrawn:
        """Why it ended, which has to be that access was withdrawn."""
        refusal = self.run.outcome.exception(timeout=30)
        assert isinstance(refusal, Withdrawn), refusal
        return refusal


def begin(world: World, actor: Actor, **more: Any) -> Running:
    """A run with an engine that waits to be told what to say."""
    world.pool.holds = True
    run = world.portal.runs.begin(actor, MODEL, ask(max_tokens=9, **more), purpose=PURPOSE, stream=True)
    return Running(world, run, world.pool.asked[-1])


@dataclass
class Scene:
    """North's grant with all that can hang on it, and whoever runs something."""

    world: World
    root: Grant
    actor: Actor

    @property
    def ada(self) -> Actor:
        """The coordinator."""
        return self.world.actor("ada")

    @property
    def ben(self) -> Actor:
        """North's lead."""
        return self.world.actor("ben")

    @property
    def agreement(self) -> Agreement:
        """What the grant rests on."""
        return self.world.portal.agreements.get(self.ada, self.root.agreement_id)


Act = Callable[[Scene], object]


def by_name(world: World, root: Grant) -> Actor:
    """Cleo, at a screen, on the institution's grant."""
    return world.actor("cleo")


def by_session(world: World, root: Grant) -> Actor:
    """Cleo, signed in with a browser."""
    code = world.portal.sign_in.issue_link(world.actor("ada"), world.people["cleo"].id).partition("code=")[2]
    secret = world.portal.sign_in.enter(code, browser="Firefox on Linux").secret
    return world.portal.sign_in.actor(world.portal.sign_in.session_id(secret))


def by_child(world: World, root: Grant) -> Actor:
    """Cleo, with a grant of her own two steps below the institution's."""
    assert root.scope is not None
    lead = world.portal.grants.delegate(
        world.actor("ben"), root.id, holder=_person(world, "ben"), label="Ben's", scope=root.scope
    )
    world.portal.grants.delegate(
        world.actor("ben"), lead.id, holder=_person(world, "cleo"), label="Cleo's", scope=root.scope
    )
    return world.actor("cleo")


def by_token(world: World, root: Grant) -> Actor:
    """Cleo, with a token made from a token."""
    tokens, cleo = world.portal.tokens, world.actor("cleo")
    first = tokens.issue(cleo, label="first", grant_id=root.id, purpose=PURPOSE)
    second = tokens.narrow(tokens.authenticate(first.token).actor, first.record.id, label="second")
    return tokens.authenticate(second.token).actor


def by_program(world: World, root: Grant) -> Actor:
    """A program of north's, with a token for a grant of its own."""
    assert root.scope is not None
    program = world.portal.programs.register(
        world.actor("ben"),
        institution_id="north",
        name="nightly",
        contact="ops@north.example",
        jwks=jwks_of(new_key()),
    )
    held = world.portal.grants.delegate(
        world.actor("ben"),
        root.id,
        holder=Holder(kind=HolderKind.PROGRAM, id=program.id),
        label="Nightly",
        scope=root.scope,
    )
    issued = world.portal.tokens.issue(program.actor(), label="nightly", grant_id=held.id, purpose=PURPOSE)
    return world.portal.tokens.authenticate(issued.token).actor


def _person(world: World, name: str) -> Holder:
    return Holder(kind=HolderKind.PERSON, id=world.people[name].id)


def revoke_root(scene: Scene) -> object:
    """Revoke the grant, or what stands above it."""
    return scene.world.portal.grants.revoke(scene.ada, scene.root.id, reason="a breach")


def suspend_root(scene: Scene) -> object:
    """Suspend it."""
    return scene.world.portal.grants.suspend(scene.ada, scene.root.id, reason="under review")


def narrow_root(scene: Scene) -> object:
    """Take the purpose away."""
    assert scene.root.scope is not None
    left = scene.root.scope.model_copy(update={"purposes": scene.root.scope.purposes - {PURPOSE}})
    return scene.world.portal.grants.narrow(scene.ada, scene.root.id, scope=left, reason="no more of that")


def terminate(scene: Scene) -> object:
    """End the agreement."""
    return scene.world.portal.agreements.terminate(scene.ada, scene.agreement.id, reason="a breach")


def suspend_agreement(scene: Scene) -> object:
    """Suspend the agreement; without notice at the institution's own wish."""
    return scene.world.portal.agreements.suspend(
        scene.ben, scene.agreement.id, reason="requested", statement="we found a leak"
    )


def narrow_agreement(scene: Scene) -> object:
    """Leave only scoring."""
    return scene.world.portal.agreements.narrow(
        scene.ada, scene.agreement.id, operations=["score"], requests_per_minute=5, statement="a report is overdue"
    )


def retire(scene: Scene) -> object:
    """Retire the checkpoint."""
    kernel = scene.world.portal.kernel
    while (stage := kernel.state(CHECKPOINTS, MODEL).stage) is not Stage.RETIRED:
        assert stage.next is not None
        move = ChangeStage(decision_id="rel_test", from_stage=stage, to_stage=stage.next)
        kernel.execute(CHECKPOINTS, MODEL, move, scene.ada)
    return None


def deactivate(scene: Scene) -> object:
    """Let Cleo in no more."""
    return scene.world.portal.people.deactivate(scene.ada, scene.world.people["cleo"].id, reason="left")


def leave(scene: Scene) -> object:
    """Take Cleo's role at north away; she keeps one at the lab."""
    people, cleo = scene.world.portal.people, scene.world.people["cleo"].id
    people.add_membership(scene.ada, cleo, institution_id="lab", role=scene.world.people["rae"].memberships[0].role)
    role = scene.world.people["cleo"].memberships[0].role
    return people.remove_membership(scene.ada, cleo, institution_id="north", role=role, reason="moved")


def end_token(scene: Scene) -> object:
    """End the token itself."""
    assert scene.actor.token_id is not None
    return scene.world.portal.tokens.revoke(scene.ada, scene.actor.token_id)


def end_parent_token(scene: Scene) -> object:
    """End the token above."""
    (above,) = (one.id for one in scene.world.portal.tokens.list(scene.ada) if one.label == "first")
    return scene.world.portal.tokens.revoke(scene.ada, above)


def compromise_key(scene: Scene) -> object:
    """Say that the key that signed the tokens is not to be trusted."""
    return scene.world.portal.token_keys.rotate(scene.ada, compromised="it was on a stolen laptop")


def end_program(scene: Scene) -> object:
    """End the program."""
    return scene.world.portal.programs.end(scene.ben, scene.actor.person_id, reason="replaced")


def suspend_program(scene: Scene) -> object:
    """Suspend the program."""
    return scene.world.portal.programs.suspend(scene.ben, scene.actor.person_id, reason="misbehaves")


def sign_out(scene: Scene) -> object:
    """End the browser's session."""
    assert scene.actor.session_id is not None
    scene.world.portal.sign_in.sign_out(scene.actor.session_id)
    return None


def sign_out_everywhere(scene: Scene) -> object:
    """Cleo's laptop was stolen."""
    return scene.world.portal.sessions.end_all(scene.ada, scene.actor.person_id, tokens=True)


def expire(scene: Scene) -> object:
    """Let the grant's time pass."""
    assert scene.root.scope is not None
    scene.world.clock.now = scene.root.scope.expires_at
    scene.world.portal.watch.look()
    return None


def token_expires(scene: Scene) -> object:
    """Let the token's time pass."""
    scene.world.clock.advance(hours=scene.world.settings.token_hours)
    scene.world.portal.watch.look()
    return None
