"""Who may hold a grant: people of an institution, and programs registered for it."""

from agreements.errors import Invalid, NotFound
from agreements.grants import Holder, HolderKind
from portal.services.aggregates import INSTITUTIONS, PEOPLE, PROGRAMS
from portal.services.kernel import Kernel


class Holders:
    """Answers who a holder is, and whether it still belongs to its institution."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def name(self, holder: Holder) -> str:
        """How the holder is called; its id where it is not known."""
        try:
            match holder.kind:
                case HolderKind.INSTITUTION:
                    return self._kernel.state(INSTITUTIONS, holder.id).name
                case HolderKind.PERSON:
                    return self._kernel.state(PEOPLE, holder.id).name
                case HolderKind.PROGRAM:
                    return self._kernel.state(PROGRAMS, holder.id).name
        except NotFound:
            return holder.id

    def gone(self, holder: Holder, institution_id: str) -> str:
        """Why the holder cannot use a grant of the institution any more, in words; empty where it can."""
        try:
            match holder.kind:
                case HolderKind.INSTITUTION:
                    return "" if holder.id == institution_id else f"{holder.id} is another institution"
                case HolderKind.PERSON:
                    person = self._kernel.state(PEOPLE, holder.id)
                    if person.deactivated_at is not None:
                        return f"{person.name} may not use the portal any more"
                    belongs = institution_id in {one.institution_id for one in person.memberships}
                    return "" if belongs else f"{person.name} is no member of the institution"
                case HolderKind.PROGRAM:
                    program = self._kernel.state(PROGRAMS, holder.id)
                    if program.institution_id != institution_id:
                        return f"{program.name} is no program of the institution"
                    return "" if program.active else f"{program.name} is not active"
        except NotFound:
            return f"nobody here is called {holder.id}"

    def check(self, holder: Holder, institution_id: str) -> None:
        """Refuse to delegate to somebody outside the institution. Raises Invalid ``holder_not_of_institution``."""
        if self.gone(holder, institution_id):
            # One answer for somebody elsewhere, somebody deactivated and nobody: who is at the portal is not told.
            raise Invalid(
                "holder_not_of_institution",
                f"A grant is delegated within its institution, and {holder.id} is nobody active of it.",
                hint="Have the person invited, or the program registered, by the institution first.",
                param="holder",
            )
