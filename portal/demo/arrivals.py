"""How people come and go: by an institution's own accounts, by invitations, and out again."""

from agreements.actors import Role
from agreements.credentials import SignInMethod
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.demo.cast import ESTUARY, LAKESIDE, NORTHGATE, OPENWATCH, TESSELLATE
from portal.demo.world import World
from portal.oidc.id_token import IdClaims


def northgate_brings_its_accounts(world: World) -> None:
    """Northgate's people may sign in at home; Amara is the first who does."""
    world.on(31.3)
    provider = world.portal.identity_providers.register(
        world.as_("mara"),
        institution_id=NORTHGATE,
        label="Northgate University account",
        issuer="https://login.northgate.example",
        client_id="concordat",
        client_authentication=ClientAuthentication.PRIVATE_KEY,
        domains=("northgate.example",),
    )
    _comes_by(world, provider, "amara", "Amara Nwosu", "Firefox on Linux")


def people_are_invited(world: World) -> None:
    """Four invitations: one is accepted, one taken back, one runs out; the fourth comes later."""
    world.on(10.2)
    world.portal.invitations.invite(
        world.as_("elena"), email="wanjiru@openwatch.example", memberships=[(OPENWATCH, Role.OBSERVER)]
    )
    mistyped = world.portal.invitations.invite(
        world.as_("yuki"), email="haruto@tesselate.example", memberships=[(TESSELLATE, Role.RESEARCHER)]
    )
    world.portal.invitations.revoke(
        world.as_("yuki"), mistyped.invitation.id, reason="The address was mistyped: our name has two l."
    )
    asked = world.portal.invitations.invite(
        world.as_("hannah"), email="theo@lakeside.example", memberships=[(LAKESIDE, Role.RESEARCHER)]
    )
    code = asked.url.partition("code=")[2]
    world.people["theo"] = world.portal.invitations.accept(code, name="Theo Marchand").person


def people_come_and_go(world: World) -> None:
    """A student leaves, somebody asks to be let in, a colleague is invited, and Northgate's accounts move house."""
    world.on(1.48)
    world.portal.people.deactivate(world.as_("hannah"), world.people["theo"].id, reason="He finished his thesis.")
    (provider,) = world.portal.identity_providers.list(world.as_("mara"))
    _comes_by(world, provider, "leila", "Leila Farouk", "Chrome on macOS")
    world.portal.invitations.invite(
        world.as_("malcolm"), email="pieter@estuary.example", memberships=[(ESTUARY, Role.PARTNER_MEMBER)]
    )
    world.portal.identity_providers.pause(
        world.as_("mara"), provider.id, reason="Northgate moves its login service; the address is off until Monday."
    )


def people_are_signed_in(world: World) -> None:
    """Today's sessions, in more browsers than one."""
    for key, hours_ago, browser in (
        ("priya", 2.9, "Firefox on Linux"),
        ("mara", 2.2, "Edge on Windows"),
        ("tobias", 1.4, "Chrome on macOS"),
        ("priya", 0.8, "Safari on iPhone"),
    ):
        world.on(hours_ago / 24)
        world.portal.sessions.open(world.people[key], method=SignInMethod.LINK, browser=browser)


def _comes_by(world: World, provider: IdentityProvider, subject: str, name: str, browser: str) -> None:
    """Somebody signs in at a provider. It is as fictional as everybody: nothing is asked of it."""
    claims = IdClaims(subject=subject, email=f"{subject}@{provider.domains[0]}", email_verified=True, name=name)
    world.portal.oidc.admit(provider, claims, browser=browser)
