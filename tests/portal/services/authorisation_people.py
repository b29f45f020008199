"""Who may do what to north's people, their sessions and identities, its invitations, providers and programs."""

from collections.abc import Callable

from agreements.actors import Actor, Role
from agreements.identity_providers import ClientAuthentication
from portal.composition import Portal
from tests.portal.services.authorisation_stage import LAB_ONLY, PARTIES, SIGNATORIES, Call, Rows, Stage
from tests.portal.services.token_world import jwks_of, new_key

OWN = frozenset({"ada", "cleo"})
"""Cleo herself, and the coordinator."""

WAITS = SIGNATORIES
WHY = "it is asked for"


def _on(kind: str, act: Callable[[Portal, Actor, str], object]) -> Call:
    """An act on one of the objects that were made."""

    def call(stage: Stage, actor: Actor) -> object:
        return act(stage.world.portal, actor, stage.one(kind)) or True

    return call


def _of_cleo(act: Callable[[Portal, Actor, str], object]) -> Call:
    def call(stage: Stage, actor: Actor) -> object:
        return act(stage.world.portal, actor, stage.world.people["cleo"].id) or True

    return call


def _register_provider(stage: Stage, actor: Actor) -> object:
    return stage.world.portal.identity_providers.register(
        actor,
        institution_id="north",
        label="Accounts",
        issuer="https://login.north.example",
        client_id="portal",
        domains=[f"{actor.person_id.replace('_', '-')}.north.example"],
    )


def _change_provider(portal: Portal, actor: Actor, provider_id: str) -> object:
    return portal.identity_providers.change(
        actor,
        provider_id,
        label="Other accounts",
        client_id="portal",
        domains=[f"{provider_id.replace('_', '-')}.north.example"],
        client_authentication=ClientAuthentication.NONE,
    )


def _swap(portal: Portal, actor: Actor, person_id: str) -> object:
    return portal.people.change_role(
        actor, person_id, institution_id="north", before=Role.OBSERVER, after=Role.RESEARCHER
    )


def _take(portal: Portal, actor: Actor, person_id: str) -> object:
    return portal.people.remove_membership(actor, person_id, institution_id="north", role=Role.OBSERVER, reason=WHY)


def _give(institution_id: str, role: Role) -> Callable[[Portal, Actor, str], object]:
    return lambda portal, actor, person: portal.people.add_membership(
        actor, person, institution_id=institution_id, role=role
    )


def _invite(role: Role, institution_id: str) -> Call:
    return lambda stage, actor: stage.world.portal.invitations.invite(
        actor, email=f"{actor.person_id}@{institution_id}.example", memberships=[(institution_id, role)]
    )


def _register_program(stage: Stage, actor: Actor) -> object:
    return stage.world.portal.programs.register(
        actor, institution_id="north", name="Probes", contact="ops@north.example", jwks=jwks_of(new_key())
    )


PEOPLE: Rows = {
    "people.visible": (_on("person", lambda p, a, one: p.people.visible(a, one)), PARTIES),
    "people.visible (waits)": (_on("waiting", lambda p, a, one: p.people.visible(a, one)), WAITS),
    "people.approve": (_on("waiting", lambda p, a, one: p.people.approve(a, one, role=Role.RESEARCHER)), WAITS),
    "people.refuse": (_on("waiting", lambda p, a, one: p.people.refuse(a, one, reason=WHY)), WAITS),
    "people.reactivate": (_on("gone", lambda p, a, one: p.people.reactivate(a, one, reason=WHY)), SIGNATORIES),
    "people.add_membership": (_on("person", _give("north", Role.RESEARCHER)), SIGNATORIES),
    "people.add_membership (lab)": (_on("person", _give("lab", Role.COORDINATOR)), LAB_ONLY),
    "people.add_membership (elsewhere)": (_on("person", _give("south", Role.OBSERVER)), LAB_ONLY),
    "people.change_role": (_on("person", _swap), SIGNATORIES),
    "people.remove_membership": (_on("person", _take), SIGNATORIES),
    "sessions.of_person": (_of_cleo(lambda p, a, cleo: p.sessions.of_person(a, cleo)), OWN),
    "sessions.end": (_on("session", lambda p, a, one: p.sessions.end(a, one)), OWN),
    "sessions.end_all": (_of_cleo(lambda p, a, cleo: p.sessions.end_all(a, cleo)), OWN),
    "invitations.invite": (_invite(Role.RESEARCHER, "north"), SIGNATORIES),
    "invitations.invite (lab)": (_invite(Role.COORDINATOR, "lab"), LAB_ONLY),
    "invitations.renew": (_on("invitation", lambda p, a, one: p.invitations.renew(a, one)), SIGNATORIES),
    "invitations.revoke": (_on("invitation", lambda p, a, one: p.invitations.revoke(a, one, reason=WHY)), SIGNATORIES),
    "identity_providers.register": (_register_provider, LAB_ONLY),
    "identity_providers.get": (_on("provider", lambda p, a, one: p.identity_providers.get(a, one)), LAB_ONLY),
    "identity_providers.visible": (_on("provider", lambda p, a, one: p.identity_providers.visible(a, one)), PARTIES),
    "identity_providers.change": (_on("provider", _change_provider), LAB_ONLY),
    "identity_providers.check": (_on("provider", lambda p, a, one: p.identity_providers.check(a, one)), LAB_ONLY),
    "identity_providers.pause": (
        _on("provider", lambda p, a, one: p.identity_providers.pause(a, one, reason=WHY)),
        LAB_ONLY,
    ),
    "identity_providers.resume": (_on("provider", lambda p, a, one: p.identity_providers.resume(a, one)), LAB_ONLY),
    "identity_providers.remove": (
        _on("provider", lambda p, a, one: p.identity_providers.remove(a, one, reason=WHY)),
        LAB_ONLY,
    ),
    "identity_providers.identities": (_of_cleo(lambda p, a, cleo: p.identity_providers.identities(a, cleo)), OWN),
    "identity_providers.unlink": (
        _on("identity", lambda p, a, one: p.identity_providers.unlink(a, one, reason=WHY)),
        LAB_ONLY,
    ),
    "ways_in.of_provider": (_on("provider", lambda p, a, one: p.ways_in.of_provider(a, one)), SIGNATORIES),
    "programs.register": (_register_program, SIGNATORIES),
    "programs.get": (_on("program", lambda p, a, one: p.programs.get(a, one)), PARTIES),
    "programs.replace_keys": (
        _on("program", lambda p, a, one: p.programs.replace_keys(a, one, jwks=jwks_of(new_key()))),
        SIGNATORIES,
    ),
    "programs.suspend": (_on("program", lambda p, a, one: p.programs.suspend(a, one, reason=WHY)), SIGNATORIES),
    "programs.resume": (_on("resting", lambda p, a, one: p.programs.resume(a, one)), SIGNATORIES),
    "programs.end": (_on("program", lambda p, a, one: p.programs.end(a, one, reason=WHY)), SIGNATORIES),
}

NEEDS_MORE = frozenset(
    {
        "checkpoints.add",
        "checkpoints.tokenizer",
        "identity_providers.check",
        "webhooks.test",
        "token_keys.withdraw",
        "passports.export",
    }
)
"""What needs something that is not on this stage; that those who may, can, is tested where it is."""
