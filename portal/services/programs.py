"""Programs of institutions: registered with public keys, rotated, suspended and ended by the institution's lead."""

from agreements.actors import Actor
from agreements.errors import NotFound
from agreements.ids import new_id
from agreements.jwks import read_jwks
from agreements.programs import EndProgram, Program, RegisterProgram, ReplaceKeys, ResumeProgram, SuspendProgram
from portal.inputs import clean, parse
from portal.services.aggregates import PROGRAMS
from portal.services.clicks import clicked
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel
from portal.services.token_records import PROGRAM_PREFIX


class ProgramService:
    """The one path by which programs are registered and stopped."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService) -> None:
        self._kernel = kernel
        self._institutions = institutions

    def register(
        self,
        actor: Actor,
        *,
        institution_id: str,
        name: str,
        contact: str,
        jwks: object,
        idempotency_key: str | None = None,
    ) -> Program:
        """Register a program with its public keys (RFC 7517). Raises Forbidden, NotFound or Invalid."""
        self._institutions.get(institution_id)
        program_id = new_id(PROGRAM_PREFIX.rstrip("_"))
        fields = clean({"name": name, "contact": contact}, lines=("name", "contact"))
        command = parse(
            RegisterProgram,
            {"program_id": program_id, "institution_id": institution_id, "keys": read_jwks(jwks), **fields},
        )
        return self._kernel.execute(PROGRAMS, program_id, command, actor, idempotency_key=idempotency_key)

    def replace_keys(self, actor: Actor, program_id: str, *, jwks: object) -> Program:
        """Replace its keys; what others sign is refused from the next request on. Raises Forbidden or Invalid."""
        self.get(actor, program_id)
        return self._kernel.execute(PROGRAMS, program_id, parse(ReplaceKeys, {"keys": read_jwks(jwks)}), actor)

    @clicked
    def suspend(self, actor: Actor, program_id: str, *, reason: str) -> Program:
        """Refuse it and its tokens until it is resumed. Raises Forbidden, Conflict or Invalid."""
        self.get(actor, program_id)
        return self._kernel.execute(PROGRAMS, program_id, parse(SuspendProgram, clean({"reason": reason})), actor)

    def resume(self, actor: Actor, program_id: str) -> Program:
        """Let it in again; its tokens that are in time work again. Raises Forbidden or Conflict."""
        self.get(actor, program_id)
        return self._kernel.execute(PROGRAMS, program_id, ResumeProgram(), actor)

    @clicked
    def end(self, actor: Actor, program_id: str, *, reason: str) -> Program:
        """Refuse it and its tokens for good. Raises Forbidden, Conflict or Invalid."""
        self.get(actor, program_id)
        return self._kernel.execute(PROGRAMS, program_id, parse(EndProgram, clean({"reason": reason})), actor)

    def get(self, actor: Actor, program_id: str) -> Program:
        """One program, for its institution and coordinators. Raises NotFound for everybody else too."""
        missing = NotFound("program_not_found", f"There is no program {program_id!r} that you may see.")
        try:
            program = self._kernel.state(PROGRAMS, program_id)
        except NotFound:
            raise missing from None
        if not (actor.is_coordinator or actor.belongs_to(program.institution_id)):
            raise missing
        return program

    def list(self, actor: Actor) -> tuple[Program, ...]:
        """The programs of one's institutions, everyone's for coordinators, by name."""
        rows = self._kernel.store.query(
            """
            SELECT program_id FROM program WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY lower(name), program_id
            """,
            [actor.is_coordinator, list(actor.institution_ids)],
        )
        return tuple(self._kernel.state(PROGRAMS, row["program_id"]) for row in rows)
