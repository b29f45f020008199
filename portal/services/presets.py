"""Presets that people keep. By its link one can be used by whoever shares an institution with its owner."""

from agreements.actors import Actor
from agreements.errors import NotFound
from agreements.ids import new_id
from model_access.presets import (
    BY_ID,
    EVERYBODYS,
    PRESETS,
    Kept,
    Preset,
    Recipe,
    RemovePreset,
    SavePreset,
    Shelf,
    no_such_preset,
)
from portal.inputs import clean, parse
from portal.services.kernel import Kernel
from portal.services.people import PeopleService
from portal.store import Aggregate, Row


def _rows(object_id: str, _version: int, state: Shelf) -> list[Row]:
    return [Row("preset", {"preset_id": one.id, "person_id": object_id}) for one in state.presets]


SHELVES = Aggregate(decider=PRESETS, state_type=Shelf, project=_rows)


class PresetService:
    """Keeps each person's presets, and finds one by its id."""

    def __init__(self, kernel: Kernel, people: PeopleService) -> None:
        self._kernel = kernel
        self._people = people

    def list(self, actor: Actor) -> tuple[Preset, ...]:
        """Those that everybody has, and then the actor's own in the order in which they were first saved."""
        return (*EVERYBODYS, *(_preset(one, actor.person_id) for one in self._shelf(actor.person_id).presets))

    def get(self, actor: Actor, preset_id: str) -> Preset:
        """One that everybody has, the actor's own, or one whose owner shares an institution with the actor.

        Raises NotFound ``preset_not_found``.
        """
        if preset_id in BY_ID:
            return BY_ID[preset_id]
        rows = self._kernel.store.query("SELECT person_id FROM preset WHERE preset_id = ?", [preset_id])
        if not rows:
            raise no_such_preset(preset_id)
        owner_id: str = rows[0]["person_id"]
        if owner_id != actor.person_id and not self._together(actor, owner_id):
            raise no_such_preset(preset_id)
        says = "" if owner_id == actor.person_id else f"Kept by {self._people.name(owner_id)}."
        return _preset(self._shelf(owner_id).get(preset_id), owner_id).model_copy(update={"says": says})

    def save(self, actor: Actor, *, name: str, recipe: Recipe, idempotency_key: str | None = None) -> Preset:
        """Keep a recipe under a name; one of that name gets the new recipe. Raises Invalid or Conflict."""
        named = clean({"name": name}, lines=("name",))
        command = parse(
            SavePreset, {"person_id": actor.person_id, "preset_id": new_id("pre"), "recipe": recipe, **named}
        )
        shelf = self._kernel.execute(SHELVES, actor.person_id, command, actor, idempotency_key=idempotency_key)
        saved = shelf.named(command.name)
        if saved is None:
            raise no_such_preset(command.preset_id)
        return _preset(saved, actor.person_id)

    def remove(self, actor: Actor, preset_id: str) -> Preset:
        """Keep one of the actor's own no longer; what it was. Raises NotFound."""
        kept = self._shelf(actor.person_id).get(preset_id)
        command = RemovePreset(person_id=actor.person_id, preset_id=preset_id)
        self._kernel.execute(SHELVES, actor.person_id, command, actor)
        return _preset(kept, actor.person_id)

    def _shelf(self, person_id: str) -> Shelf:
        return self._kernel.store.state(SHELVES, person_id)[0]

    def _together(self, actor: Actor, owner_id: str) -> bool:
        try:
            owner = self._people.get(owner_id)
        except NotFound:
            return False
        return owner.deactivated_at is None and any(actor.belongs_to(one.institution_id) for one in owner.memberships)


def _preset(kept: Kept, owner_id: str) -> Preset:
    return Preset(id=kept.id, name=kept.name, recipe=kept.recipe, owner_id=owner_id)
