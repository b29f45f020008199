"""A leak in the story, what the lab made of it, and how an appeal put that right."""

from agreements.clauses import SuspensionReason
from agreements.duties import IncidentKind
from portal.demo.cast import OPENWATCH
from portal.demo.world import World


def openwatch_gives_notice(world: World) -> None:
    """Formal notice under the agreement, within the hour."""
    world.on(58.85)
    world.portal.duties.report_incident(
        world.as_("elena"),
        world.agreements[OPENWATCH].id,
        kind=IncidentKind.LEAK,
        aware_at=world.moment(58.89),
        statement="A working token of the placement grant stood in a public notebook for fifty minutes. The notebook "
        "is gone. We ask the lab to revoke the grant; no other token was near it.",
    )


def openwatch_is_suspended(world: World) -> None:
    """The lab stops everything until it has looked; the agreement lets it, for this reason, at once."""
    world.on(58.5)
    world.agreements[OPENWATCH] = world.portal.agreements.suspend(
        world.as_("tobias"),
        world.agreements[OPENWATCH].id,
        reason=SuspensionReason.SECURITY_INCIDENT.value,
        statement="A token was public for fifty minutes. Until we have read the run list and know that no other token "
        "was exposed, nothing runs under this agreement.",
    )


def openwatch_appeals(world: World) -> None:
    """The one grant was revoked already, and notice in good faith is protected."""
    world.on(58.1)
    world.agreements[OPENWATCH] = world.portal.agreements.appeal(
        world.as_("elena"),
        world.agreements[OPENWATCH].id,
        number=1,
        text="The token named one grant, and that grant was revoked before the suspension. Our detection desk uses "
        "another, from other machines. We told you ourselves, within the hour; the agreement says that such notice is "
        "not held against us.",
    )


def appeal_is_upheld(world: World) -> None:
    """By the coordinator who had not suspended."""
    world.on(56.9)
    world.agreements[OPENWATCH] = world.portal.agreements.decide_appeal(
        world.as_("mara"),
        world.agreements[OPENWATCH].id,
        number=1,
        upheld=True,
        reasons="The run list shows no use by anybody else, and a token opens its own grant only. Revoking the grant "
        "was enough. To stop the whole desk after prompt notice would teach partners to stay silent.",
    )
