"""Templates: those that ship with the package and those that coordinators publish, as one library."""

from collections.abc import Sequence

from agreements.actors import Actor
from agreements.clauses import Form, parse_clauses
from agreements.errors import Conflict, NotFound
from agreements.standard_terms import Template, templates
from agreements.templating import PublishTemplate, RetireTemplate, TemplateRecord
from portal.inputs import clean, parse
from portal.services.kernel import Kernel
from portal.services.template_rows import TEMPLATES

USUAL = "software-access"
"""The template that a draft starts from unless another is chosen; lists begin with it."""


class TemplateService:
    """The one path by which templates are published, found and retired. They are no secret to anybody signed in."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def all(self, *, retired: bool = False) -> tuple[Template, ...]:
        """The newest version of each template, the usual one first, then by title; retired ones only if asked for."""
        published = self._kernel.store.query("SELECT template_id FROM template")
        ids = {template.template_id for template in templates()} | {row["template_id"] for row in published}
        newest = [self.versions(template_id)[-1] for template_id in ids]
        shown = [template for template in newest if retired or template.retired_at is None]
        return tuple(sorted(shown, key=lambda one: (one.template_id != USUAL, one.title, one.template_id)))

    def versions(self, template_id: str) -> tuple[Template, ...]:
        """Every version of a template, oldest first. Raises NotFound ``template_not_found``.

        What was published here stands: a version of the same number that a later release ships is left out, because
        agreements were made from the one published.
        """
        record = self._record(template_id)
        found = {template.version: template for template in templates() if template.template_id == template_id}
        found |= {template.version: template for template in record.versions}
        if not found:
            raise self._missing(template_id)
        retired = {"retired_at": record.retired_at}
        return tuple(found[number].model_copy(update=retired) for number in sorted(found))

    def get(self, template_id: str, version: int | None = None) -> Template:
        """One version of a template, by default the newest. Raises NotFound."""
        known = self.versions(template_id)
        if version is None:
            return known[-1]
        chosen = next((template for template in known if template.version == version), None)
        if chosen is None:
            raise NotFound(
                "template_version_not_found",
                f"The template {template_id!r} has no version {version}.",
                hint=f"The newest is version {known[-1].version}.",
            )
        return chosen

    def for_draft(self, template_id: str) -> Template:
        """What a draft starts from. Raises NotFound, or Conflict ``template_retired``."""
        chosen = self.get(template_id)
        if chosen.retired_at is not None:
            raise Conflict(
                "template_retired",
                f"The template {template_id!r} was retired on {chosen.retired_at:%Y-%m-%d}.",
                hint="Choose another; agreements made from it stay as they are.",
            )
        return chosen

    def publish(
        self,
        actor: Actor,
        *,
        template_id: str,
        version: int,
        title: str,
        summary: str,
        clauses: Sequence[object],
        form: Form | str | None = None,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Template:
        """Publish the version after the newest, or the first of a new template; a retired one comes back with it.

        The form is that of the template so far, a standalone agreement for a new one. Agreements already drafted keep
        their text. Raises Forbidden, Invalid, or Conflict ``template_version``.
        """
        record = self._record(template_id)
        shipped = [template for template in templates() if template.template_id == template_id]
        newest = max([*shipped, *record.versions], key=lambda template: template.version, default=None)
        usual_form = newest.form if newest is not None else Form.STANDALONE
        command = parse(
            PublishTemplate,
            {
                "template_id": template_id,
                "version": version,
                "title": title,
                "summary": summary,
                "form": usual_form if form is None else form,
                "clauses": parse_clauses(clauses),
                "note": note,
                "shipped": shipped[-1] if shipped else None,
            },
        )
        self._kernel.execute(TEMPLATES, template_id, command, actor, idempotency_key=idempotency_key)
        return self.get(template_id, version)

    def retire(self, actor: Actor, template_id: str, *, reason: str, idempotency_key: str | None = None) -> Template:
        """Let no further drafts start from a template. Raises Forbidden, NotFound, or Conflict ``template_retired``."""
        self.versions(template_id)
        command = parse(RetireTemplate, clean({"template_id": template_id, "reason": reason}))
        self._kernel.execute(TEMPLATES, template_id, command, actor, idempotency_key=idempotency_key)
        return self.get(template_id)

    def _record(self, template_id: str) -> TemplateRecord:
        if not template_id:
            raise self._missing(template_id)
        state, _version = self._kernel.store.state(TEMPLATES, template_id)
        return state

    @staticmethod
    def _missing(template_id: str) -> NotFound:
        return NotFound(
            "template_not_found",
            f"There is no template {template_id!r}.",
            hint=f"Among others there are: {', '.join(sorted({one.template_id for one in templates()}))}.",
        )
