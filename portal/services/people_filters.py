"""Which people a list shows, of those the reader may see at all."""

from collections.abc import Iterable

from agreements.actors import Role
from agreements.deciders import Value
from agreements.people import Person, PersonState


class PeopleFilters(Value):
    """What narrows a list; None and an empty text leave a dimension open."""

    text: str = ""
    """Words, each of which has to be in the name or in the e-mail address, whatever its case."""
    institution_id: str | None = None
    """Where they have a role, or wait for one."""
    role: Role | None = None
    """What they are there; anywhere, where no institution is asked for."""
    state: PersonState | None = None

    def of(self, people: Iterable[Person]) -> tuple[Person, ...]:
        """Those that fit, in the order in which they come."""
        return tuple(person for person in people if self._fits(person))

    def _fits(self, person: Person) -> bool:
        if self.state is not None and person.state is not self.state:
            return False
        known_as = f"{person.name} {person.email}".casefold()
        if not all(word in known_as for word in self.text.casefold().split()):
            return False
        if self.role is None:
            awaited = (person.pending.institution_id,) if person.pending is not None else ()
            places = {*awaited, *(one.institution_id for one in person.memberships)}
            return self.institution_id is None or self.institution_id in places
        return any(
            one.role is self.role and self.institution_id in (None, one.institution_id) for one in person.memberships
        )
