"""Templates that coordinators publish in the portal, beside those that ship with it.

A version is never changed: new words are the next version. Agreements keep the text they were drafted with, whatever
becomes of the template.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from agreements.actors import Actor
from agreements.clauses import Clause, Form, check_clauses
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Invalid
from agreements.standard_terms import Template
from agreements.texts import one_line, paragraphs

MAX_VERSIONS = 200

TemplateId = Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[a-z][a-z0-9-]*$")]


class TemplateRecord(Value):
    """What was done to one template here. An empty ``id`` means nothing was; it may be one that ships all the same."""

    id: str = ""
    versions: tuple[Template, ...] = ()
    """Those published here, oldest first."""
    retired_at: datetime | None = None
    retire_reason: str = ""


class TemplatePublished(Event, type="template:published"):
    """A coordinator published a version."""

    template_id: str
    version: int
    title: str
    summary: str
    form: Form
    clauses: tuple[Clause, ...]
    note: str
    by_id: str
    at: datetime


class TemplateRetired(Event, type="template:retired"):
    """No further drafts start from it; those there are stay."""

    template_id: str
    reason: str
    by_id: str
    at: datetime


class PublishTemplate(Value):
    """Publish a version, the one after the newest.

    ``shipped`` is the newest version that ships with the package, if the template does; given by the service.
    """

    template_id: TemplateId
    version: Annotated[int, Field(ge=1)]
    title: Annotated[str, Field(min_length=3, max_length=200), AfterValidator(one_line)]
    summary: Annotated[str, Field(min_length=10, max_length=1000), AfterValidator(paragraphs)]
    form: Form
    clauses: tuple[Clause, ...]
    note: Annotated[str, Field(max_length=2000), AfterValidator(paragraphs)] = ""
    shipped: Template | None = None


class RetireTemplate(Value):
    """Let no further drafts start from a template. A later version brings it back."""

    template_id: TemplateId
    reason: Annotated[str, Field(min_length=3, max_length=500)]


TemplateCommand = PublishTemplate | RetireTemplate


def decide(
    state: TemplateRecord, command: TemplateCommand, actor: Actor, now: datetime
) -> Sequence[TemplatePublished | TemplateRetired]:
    """The events a command causes. Raises Forbidden, Conflict or Invalid."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator of the lab may do this.")
    match command:
        case PublishTemplate():
            return [_publish(state, command, actor, now)]
        case RetireTemplate():
            return [_retire(state, command, actor, now)]


def _publish(state: TemplateRecord, command: PublishTemplate, actor: Actor, now: datetime) -> TemplatePublished:
    newest = _newest(state, command.shipped)
    follows = newest.version + 1 if newest is not None else 1
    if command.version != follows:
        stands = f"has {newest.version} versions" if newest is not None else "has none yet"
        raise Conflict(
            "template_version",
            f"The template {command.template_id!r} {stands}; the next one is version {follows}, not {command.version}.",
            hint="Somebody may have published meanwhile: compare with the newest version, then publish again.",
        )
    if follows > MAX_VERSIONS:
        raise Conflict(
            "too_many_versions",
            f"The template {command.template_id!r} has {MAX_VERSIONS} versions, the most there can be.",
            hint="Begin another template.",
        )
    check_clauses(command.clauses, command.form)
    if newest is not None:
        _follows(newest, command, retired=state.retired_at is not None)
    fields = {name: getattr(command, name) for name in PublishTemplate.model_fields if name != "shipped"}
    return TemplatePublished(**fields, by_id=actor.person_id, at=now)


def _follows(newest: Template, command: PublishTemplate, *, retired: bool) -> None:
    if newest.form is not command.form:
        raise Invalid(
            "template_form",
            f"The template {command.template_id!r} makes a {newest.form.label}, not a {command.form.label}.",
            hint="Publish it under an id of its own.",
            param="form",
        )
    words = (newest.title, newest.summary, newest.clauses)
    if words == (command.title, command.summary, command.clauses) and not retired:
        raise Invalid(
            "nothing_changed",
            f"The text is the same as that of version {newest.version}.",
            hint="Change a clause, the title or the summary.",
        )


def _newest(state: TemplateRecord, shipped: Template | None) -> Template | None:
    known = [*state.versions, *([shipped] if shipped is not None else [])]
    return max(known, key=lambda template: template.version, default=None)


def _retire(state: TemplateRecord, command: RetireTemplate, actor: Actor, now: datetime) -> TemplateRetired:
    if state.retired_at is not None:
        raise Conflict(
            "template_retired",
            f"The template {command.template_id!r} was retired on {state.retired_at:%Y-%m-%d}.",
        )
    return TemplateRetired(template_id=command.template_id, reason=command.reason, by_id=actor.person_id, at=now)


def evolve(state: TemplateRecord, event: Event) -> TemplateRecord:
    """Fold one event into the state."""
    match event:
        case TemplatePublished():
            version = Template(
                template_id=event.template_id,
                version=event.version,
                title=event.title,
                summary=event.summary,
                clauses=event.clauses,
                form=event.form,
                note=event.note,
                published_at=event.at,
            )
            return TemplateRecord(id=event.template_id, versions=(*state.versions, version))
        case TemplateRetired():
            return state.model_copy(
                update={"id": event.template_id, "retired_at": event.at, "retire_reason": event.reason}
            )
        case _:
            raise TypeError(f"a template has no event {event.type_name!r}")


TEMPLATE: Decider[TemplateRecord, TemplateCommand] = Decider(
    category="template", initial=TemplateRecord(), decide=decide, evolve=evolve
)
"""What may be asked of a template."""
