"""Who may see and do what to north's endpoints, vetting, incidents and accounts, and to what the portal keeps of it."""

from collections.abc import Callable

from agreements.actors import Actor
from agreements.vetting import VettingItem
from portal.composition import Portal
from tests.portal.services.authorisation_stage import LAB_ONLY, LEAD, NORTH, PARTIES, SIGNATORIES, Call, Rows, Stage

WHY = "it is asked for"
OWN = frozenset({"ada", "cleo"})


def _hook(act: Callable[[Portal, Actor, str], object]) -> Call:
    return lambda stage, actor: act(stage.world.portal, actor, stage.one("webhook")) or True


def _north(act: Callable[[Portal, Actor], object]) -> Call:
    return lambda stage, actor: act(stage.world.portal, actor) or True


def _cleo(act: Callable[[Portal, Actor, str], object]) -> Call:
    return lambda stage, actor: act(stage.world.portal, actor, stage.world.people["cleo"].id) or True


def _register_hook(portal: Portal, actor: Actor) -> object:
    return portal.webhooks.register(actor, institution_id="north", url="https://hooks.north.example/x")


def _submit(portal: Portal, actor: Actor) -> object:
    item = VettingItem.TRAINING
    return portal.passports.submit(actor, "north", item=item, statement="Everybody with access was trained in May.")


def _incidents(stage: Stage, actor: Actor) -> object:
    return stage.world.portal.duties.incidents(actor, stage.in_force) or True


REST: Rows = {
    "webhooks.register": (_north(_register_hook), LEAD),
    "webhooks.get": (_hook(lambda p, a, one: p.webhooks.get(a, one)), SIGNATORIES),
    "webhooks.deliveries": (_hook(lambda p, a, one: p.webhooks.deliveries(a, one)), SIGNATORIES),
    "webhooks.pause": (_hook(lambda p, a, one: p.webhooks.pause(a, one, reason=WHY)), SIGNATORIES),
    "webhooks.resume": (_hook(lambda p, a, one: p.webhooks.resume(a, one)), SIGNATORIES),
    "webhooks.remove": (_hook(lambda p, a, one: p.webhooks.remove(a, one, reason=WHY)), SIGNATORIES),
    "webhooks.test": (_hook(lambda p, a, one: p.webhooks.test(a, one)), SIGNATORIES),
    "passports.get": (_north(lambda p, a: p.passports.get(a, "north")), PARTIES),
    "passports.export": (_north(lambda p, a: p.passports.export(a, "north")), PARTIES),
    "passports.submit": (_north(_submit), SIGNATORIES),
    "duties.incidents": (_incidents, PARTIES),
    "person_consequences.if_left_with": (
        _cleo(lambda p, a, cleo: p.person_consequences.if_left_with(a, cleo, ())),
        SIGNATORIES,
    ),
    "presets.get": (lambda s, a: s.world.portal.presets.get(a, s.one("preset")), NORTH),
    "presets.remove": (lambda s, a: s.world.portal.presets.remove(a, s.one("preset")), frozenset({"cleo"})),
    "token_standings.get": (lambda s, a: s.world.portal.token_standings.get(a, s.one("token")), OWN),
    "token_keys.withdraw": (
        lambda s, a: s.world.portal.token_keys.withdraw(a, "unknown", reason=WHY),
        LAB_ONLY,
    ),
}
