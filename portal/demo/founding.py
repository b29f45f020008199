"""How it began: the lab, the partners and the checkpoints."""

from agreements.actors import Channel, Role
from model_access.registry import Card
from portal.demo.cast import MEMBERS, ORGANISATIONS
from portal.demo.world import World


def register_partners(world: World) -> None:
    """Six institutions with keys in the portal's custody, and everybody's people."""
    world.on(149)
    coordinator = world.as_("mara")
    for organisation in ORGANISATIONS:
        world.portal.institutions.register(
            coordinator,
            institution_id=organisation.id,
            name=organisation.name,
            constituency=organisation.constituency,
            country=organisation.country,
            contact_email=organisation.contact_email,
        )
    for member in MEMBERS:
        world.people[member.key] = world.portal.people.register(
            coordinator, name=member.name, email=member.email, memberships=[(member.institution_id, member.role)]
        )
        if member.role is Role.PARTNER_LEAD:
            world.portal.institutions.create_key(world.as_(member.key), member.institution_id)


def register_checkpoints(world: World) -> None:
    """The four sizes, withheld."""
    world.on(147)
    coordinator = world.people["mara"].actor(Channel.CLI)
    for rung in world.ladder.rungs:
        world.portal.checkpoints.add(
            coordinator,
            rung.folder,
            checkpoint_id=rung.id,
            family=world.ladder.family,
            card=Card(
                summary=f"A GPT-2-architecture language model with {rung.parameters:,} parameters, trained on the "
                "English text of the Python standard library.",
                licence="Demonstration weights; no licence is granted to copy them.",
                source="concordat's demo ladder, trained on this machine",
                held_out_loss=round(rung.held_out_loss, 4),
                bits_per_byte=round(rung.bits_per_byte, 4),
            ),
        )
