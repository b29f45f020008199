"""The presets that somebody may use, and the keeping of one's own."""

from urllib.parse import urlencode

import streamlit as st

from agreements.actors import Actor
from agreements.errors import ConcordatError
from model_access.presets import BY_ID, EVERYBODYS, Preset
from portal.composition import Portal
from portal.pages.context import portal
from portal.pages.parts import Consequence, act, confirmed, copyable, row
from portal.pages.play_form import CHECKPOINT, base, changed, choose, recipe
from portal.pages.words import literal
from portal.pages.writing import field

_SAVE, _REMOVE = "play_save", "play_remove"


def known_presets(here: Portal, actor: Actor) -> tuple[dict[str, Preset], Preset | None]:
    """Everybody's, one's own and the one that the address names, by id; and that one, if there is such a one."""
    known = {preset.id: preset for preset in here.presets.list(actor)}
    named = st.query_params.get("preset", "")
    for wanted in (named, base().id):
        if wanted and wanted not in known:
            try:
                known[wanted] = here.presets.get(actor, wanted)
            except ConcordatError:
                continue
    return known, known.get(named)


def keeping(actor: Actor) -> None:
    """Which preset it is, what was changed of it, and how to keep it or pass it on."""
    started, differs = base(), changed()
    if started.says:
        st.caption(f"**{literal(started.name)}**: {literal(started.says)}")
    if differs:
        listed = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in differs.items())
        st.caption(f"Changed from the preset: {literal(listed)}.")
    st.text_input(
        "Keep this as a preset of your own, called",
        key=field(_SAVE, "name"),
        max_chars=80,
        help="How it is run is kept, never the prompt. A name that you have already gets the new settings.",
    )
    with row():
        act(
            "Save the preset",
            _SAVE,
            lambda who, key: portal().presets.save(
                who, name=str(st.session_state.get(field(_SAVE, "name")) or ""), recipe=recipe(), idempotency_key=key
            ),
            done=lambda kept: f"Saved as {kept.name}.",
            then=choose,
            icon="bookmark_add",
        )
        if started.owner_id == actor.person_id:
            _removing(started)
    _passing_on(started, differs)


def _removing(own: Preset) -> None:
    def removed(gone: Preset) -> str:
        choose(EVERYBODYS[0])
        return f"{gone.name} is removed."

    confirmed(
        f"Remove {literal(own.name)}",
        f"{_REMOVE}.{own.id}",
        Consequence(
            title="Remove this preset?",
            says=f"*{literal(own.name)}* is not kept any more, and the links to it that you passed on open the "
            "playground without it. Runs that were made by it stay as they are.",
            verb="Remove it",
            asks_reason=False,
        ),
        lambda _reason: lambda who, _key: portal().presets.remove(who, own.id),
        done=removed,
        icon="bookmark_remove",
    )


def _passing_on(started: Preset, differs: dict[str, str]) -> None:
    # Drawn when it is opened: until then the only text to copy on the screen is the answer.
    passed = st.popover("Pass it on", icon=":material/link:", key="play_link", on_change="rerun")
    if passed.open:
        with passed:
            copyable("A link to this, without the prompt", link(portal().settings.url, started, differs))
            if started.id not in BY_ID:
                st.caption("The preset opens for whoever shares an institution with its owner.")


def link(address: str, preset: Preset, differs: dict[str, str]) -> str:
    """The address that opens the playground with a preset, what is not as in it, and the checkpoint."""
    told = {"checkpoint": str(st.session_state[CHECKPOINT]), "preset": preset.id, **differs}
    return f"{address}/playground?{urlencode(told)}"
