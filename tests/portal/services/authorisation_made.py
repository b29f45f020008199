"""Objects of north that are made for the question who may do what with them, anew for each who may end one."""

from collections.abc import Callable
from itertools import count

from agreements.actors import Role
from agreements.credentials import SignInMethod
from agreements.grants import Holder, HolderKind
from agreements.identities import LinkIdentity, identity_id
from agreements.people import RequestMembership
from agreements.scopes import Operation
from model_access.presets import Recipe
from portal.services.people_rows import IDENTITIES
from portal.services.sessions import handle_of
from portal.services.sign_in import SIGN_IN
from tests.portal.services.authorisation_stage import Stage, scope_of
from tests.portal.services.token_world import jwks_of, new_key

_numbers = count(1)


def _person(stage: Stage) -> str:
    portal, number = stage.world.portal, next(_numbers)
    email, roles = f"p{number}@north.example", [("north", Role.OBSERVER), ("north", Role.PARTNER_MEMBER)]
    return portal.people.register(stage.world.actor("ada"), name=f"P {number}", email=email, memberships=roles).id


def _gone(stage: Stage) -> str:
    person = _person(stage)
    stage.world.portal.people.deactivate(stage.world.actor("ada"), person, reason="left")
    return person


def _waiting(stage: Stage) -> str:
    portal, number = stage.world.portal, next(_numbers)
    command = RequestMembership(
        person_id=f"per_waits{number:011}", name=f"W {number}", email=f"w{number}@north.example", institution_id="north"
    )
    portal.kernel.execute_all(portal.people.admitting(command), SIGN_IN)
    return command.person_id


def _session(stage: Stage) -> str:
    sessions = stage.world.portal.sessions
    opened = sessions.open(stage.world.people["cleo"], method=SignInMethod.LINK)
    return handle_of(sessions.id_of(opened.secret))


def _invitation(stage: Stage) -> str:
    invitations, email = stage.world.portal.invitations, f"i{next(_numbers)}@north.example"
    memberships = [("north", Role.RESEARCHER)]
    return invitations.invite(stage.world.actor("ben"), email=email, memberships=memberships).invitation.id


def _provider(stage: Stage) -> str:
    number = next(_numbers)
    made = stage.world.portal.identity_providers.register(
        stage.world.actor("ada"),
        institution_id="north",
        label=f"Accounts {number}",
        issuer=f"https://login{number}.north.example",
        client_id="portal",
        domains=[f"d{number}.north.example"],
    )
    return made.id


def _identity(stage: Stage) -> str:
    link = LinkIdentity(
        issuer="https://login.north.example",
        subject=f"s{next(_numbers)}",
        provider_id=stage.one("provider"),
        person_id=stage.world.people["cleo"].id,
    )
    known_as = identity_id(link.issuer, link.subject)
    stage.world.portal.kernel.execute(IDENTITIES, known_as, link, SIGN_IN)
    return known_as


def _program(stage: Stage) -> str:
    programs, ben = stage.world.portal.programs, stage.world.actor("ben")
    number = next(_numbers)
    made = programs.register(
        ben, institution_id="north", name=f"Probes {number}", contact="ops@north.example", jwks=jwks_of(new_key())
    )
    return made.id


def _resting(stage: Stage) -> str:
    program = _program(stage)
    stage.world.portal.programs.suspend(stage.world.actor("ben"), program, reason="a pause")
    return program


def _root(stage: Stage) -> str:
    return stage.world.portal.grants.issue(stage.world.actor("ada"), agreement_id=stage.in_force, label="Another").id


def _child(stage: Stage) -> str:
    grants, ben = stage.world.portal.grants, stage.world.actor("ben")
    parent = grants.get(ben, stage.one("root")).grant
    holder = Holder(kind=HolderKind.PERSON, id=stage.world.people["cleo"].id)
    # Of scoring alone: whoever holds a grant by name is held to it, and runs of other rows must not be.
    scope = scope_of(parent).model_copy(update={"delegation_depth": 0, "operations": frozenset({Operation.SCORE})})
    return grants.delegate(ben, parent.id, holder=holder, label="For Cleo", scope=scope).id


def _stopped(stage: Stage) -> str:
    child = _child(stage)
    stage.world.portal.grants.suspend(stage.world.actor("ben"), child, reason="a pause")
    return child


def _narrowed(stage: Stage) -> str:
    grants, ben, child = stage.world.portal.grants, stage.world.actor("ben"), _child(stage)
    scope = scope_of(grants.get(ben, child).grant).model_copy(update={"requests_per_minute": 1})
    grants.narrow(ben, child, scope=scope, reason="less will do")
    return child


def _token(stage: Stage) -> str:
    tokens, cleo = stage.world.portal.tokens, stage.world.actor("cleo")
    return tokens.issue(cleo, label="another", grant_id=stage.grant).record.id


def _webhook(stage: Stage) -> str:
    url = f"https://hooks.north.example/{next(_numbers)}"
    made = stage.world.portal.webhooks.register(stage.world.actor("ben"), institution_id="north", url=url)
    return made.webhook.id


def _preset(stage: Stage) -> str:
    presets, cleo = stage.world.portal.presets, stage.world.actor("cleo")
    return presets.save(cleo, name=f"Preset {next(_numbers)}", recipe=Recipe(temperature=0.5)).id


MAKERS: dict[str, Callable[[Stage], str]] = {
    "person": _person,
    "gone": _gone,
    "waiting": _waiting,
    "session": _session,
    "invitation": _invitation,
    "provider": _provider,
    "identity": _identity,
    "program": _program,
    "resting": _resting,
    "root": _root,
    "child": _child,
    "stopped": _stopped,
    "narrowed": _narrowed,
    "token": _token,
    "webhook": _webhook,
    "preset": _preset,
}
"""How each kind of object is made; those that rest on others come after them."""


def ready(stage: Stage, *, anew: bool = False) -> Stage:
    """The stage with one of each. With ``anew``, whoever asks for one gets another each time."""
    for kind, make in MAKERS.items():
        stage.standing[kind] = make(stage)
    if anew:
        stage.makers.update(MAKERS)
    return stage
