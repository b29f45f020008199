"""Of whom an explanation may be asked, and as which actor that person is looked at.

Coordinators ask about anybody; a lead about the people and programs of the institution, and only as far as they belong
to it; everybody else about themselves.
"""

from agreements.actors import LAB, Actor, Channel, Membership, Role, TokenBounds
from agreements.errors import ConcordatError, Fixer, Forbidden, Invalid
from agreements.people import Person, roles_at
from agreements.programs import Program
from portal.services.explained import Ask, Who, WhoKind
from portal.services.grants import GrantService
from portal.services.institutions import InstitutionService
from portal.services.people import PeopleService
from portal.services.programs import ProgramService
from portal.services.token_records import PROGRAM_PREFIX, held_to

INVENTED = "invented"
"""What stands for the id of somebody who is only imagined; no id of a person or program reads so."""

PROVED = "proved"
"""What stands for the thumbprint of a key that is only imagined."""


class Askers:
    """Turns what is asked into an actor, and refuses to look at those who are not the asker's to ask about."""

    def __init__(
        self,
        people: PeopleService,
        programs: ProgramService,
        institutions: InstitutionService,
        grants: GrantService,
    ) -> None:
        self._people = people
        self._programs = programs
        self._institutions = institutions
        self._grants = grants

    def meant(self, asker: Actor, ask: Ask) -> tuple[Actor, Who, ConcordatError | None]:
        """The actor, who that is, and what would turn them away before access is asked about at all.

        Raises NotFound for who is not visible, Forbidden ``not_yours_to_ask``, Invalid for what contradicts itself.
        """
        invented = (ask.role, ask.institution, ask.email)
        if ask.person is not None and any(one is not None for one in invented):
            raise Invalid(
                "two_actors",
                "It is asked of a person, or of somebody invented by role and institution, not of both.",
                hint="Leave out the person, or role, institution and e-mail address.",
                param="person",
            )
        turned_away: ConcordatError | None = None
        if ask.person is not None and ask.person != asker.person_id:
            actor, who, turned_away = self._known(asker, ask.person)
        elif ask.role is not None and ask.institution is not None:
            actor, who = self._imagined(asker, ask.role, ask.institution, ask.email or "")
        elif any(one is not None for one in invented):
            raise Invalid(
                "half_an_actor",
                "Somebody invented has a role and an institution.",
                hint="Name both, or neither.",
                param="institution" if ask.institution is None else "role",
            )
        else:
            kind = WhoKind.SELF
            actor = asker
            who = Who(kind=kind, id=asker.person_id, name=asker.name, memberships=asker.memberships)
        return self._equipped(asker, actor, ask), who, turned_away

    def _known(self, asker: Actor, person_id: str) -> tuple[Actor, Who, ConcordatError | None]:
        turned_away: ConcordatError | None
        if person_id.startswith(PROGRAM_PREFIX):
            program = self._programs.get(asker, person_id)
            actor, kind, turned_away = program.actor(), WhoKind.PROGRAM, _stopped(program)
            here = {program.institution_id}
        else:
            person = self._people.visible(asker, person_id)
            actor, kind, turned_away = person.actor(Channel.API), WhoKind.PERSON, _kept_out(person)
            here = {one.institution_id for one in person.memberships}
            if person.pending is not None:
                here.add(person.pending.institution_id)
        only_at: tuple[str, ...] = ()
        if not asker.is_coordinator:
            only_at = tuple(sorted(here & _led(asker)))
            if not only_at:
                raise _not_yours()
            kept = tuple(one for one in actor.memberships if one.institution_id in only_at)
            actor = actor.model_copy(update={"memberships": kept})
        who = Who(kind=kind, id=person_id, name=actor.name, memberships=actor.memberships, only_at=only_at)
        return actor, who, turned_away

    def _imagined(self, asker: Actor, role: Role, institution_id: str, email: str) -> tuple[Actor, Who]:
        if not asker.is_coordinator and institution_id not in _led(asker):
            raise _not_yours()
        name = self._institutions.get(institution_id).name
        if role not in roles_at(institution_id):
            raise Invalid(
                "role_does_not_fit",
                f"{role.label} is no role at {name}.",
                hint="Coordinators belong to the lab, partner roles to partner institutions.",
                param="role",
            )
        actor = Actor(
            person_id=INVENTED,
            name=f"{'An' if role is Role.OBSERVER else 'A'} {role.label} of {name}",
            memberships=(Membership(institution_id=institution_id, role=role),),
            email=email,
        )
        only_at = () if asker.is_coordinator else (institution_id,)
        who = Who(kind=WhoKind.INVENTED, id="", name=actor.name, memberships=actor.memberships, only_at=only_at)
        return actor, who

    def _equipped(self, asker: Actor, actor: Actor, ask: Ask) -> Actor:
        """The actor with the token that is to be imagined. What the asker's own token leaves out stays out."""
        changes: dict[str, object] = {}
        if ask.grant is not None and ask.grant != actor.grant_id:
            if actor.grant_id is not None:
                raise Forbidden(
                    "held_to_grant",
                    f"The access token is held to grant {actor.grant_id}, and is explained as held to it.",
                    hint="Ask with a token that names no grant, or sign in to the portal.",
                    fixer=Fixer.CALLER,
                )
            grant = self._grants.get(asker, ask.grant).grant
            changes |= {"grant_id": grant.id, "memberships": held_to(grant.institution_id, actor.memberships)}
        if ask.proves_key is not None:
            changes["key_thumbprint"] = PROVED if ask.proves_key else None
        if ask.narrowing:
            changes["bounds"] = (*actor.bounds, TokenBounds(token_id=INVENTED, narrowing=ask.narrowing))
        if ask.areas is not None:
            wanted = frozenset(area.value for area in ask.areas)
            changes["areas"] = wanted if actor.areas is None else wanted & actor.areas
        return actor.model_copy(update=changes) if changes else actor


def may_ask_about_others(actor: Actor) -> bool:
    """Whether there is anybody besides themselves whom the actor may ask about."""
    return actor.is_coordinator or bool(_led(actor))


def institutions_to_ask_about(actor: Actor) -> frozenset[str] | None:
    """The institutions whose people the actor may ask about; None for every one."""
    return None if actor.is_coordinator else frozenset(_led(actor))


def _led(actor: Actor) -> set[str]:
    return {one.institution_id for one in actor.memberships if one.role is Role.PARTNER_LEAD} - {LAB}


def _kept_out(person: Person) -> ConcordatError | None:
    if person.deactivated_at is not None:
        return Forbidden(
            "person_deactivated",
            f"{person.name} was deactivated and cannot come in.",
            hint="A coordinator can reactivate them; what they came in with before stays ended.",
        )
    if not person.active:
        return Forbidden(
            "awaiting_approval",
            f"{person.name} was not let in yet.",
            hint="A partner lead of the institution answers on the People page.",
            fixer=Fixer.LEAD,
        )
    return None


def _stopped(program: Program) -> ConcordatError | None:
    if program.active:
        return None
    return Forbidden(
        "program_stopped",
        f"The program {program.name} is {program.status.value}: {program.reason.rstrip('.')}.",
        hint="Its institution's lead can say more.",
        fixer=Fixer.LEAD,
    )


def _not_yours() -> Forbidden:
    return Forbidden(
        "not_yours_to_ask",
        "You can ask about yourself; partner leads ask about the people of their institution, coordinators about all.",
        hint="Ask your partner lead, or a coordinator.",
        fixer=Fixer.LEAD,
    )
