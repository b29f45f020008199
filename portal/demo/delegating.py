"""What a lead passes on: a part of the grant to a researcher, and less of it to a program that runs by night."""

from agreements.canonical import b64url_encode
from agreements.grants import Grant, Holder, HolderKind
from agreements.keys import SigningKey
from agreements.limits import Period, PeriodBudget, Sampling
from agreements.scopes import Operation, Scope
from portal.demo.cast import NORTHGATE
from portal.demo.world import World


def northgate_delegates(world: World) -> None:
    """Priya gives Amara a small budget by the day, and Amara's program a smaller one for generating only."""
    world.on(1.3)
    root = world.portal.grants.get(world.as_("mara"), world.grants[NORTHGATE].id).grant
    if root.scope is None:
        raise TypeError("a grant that was issued has a scope")
    amara = _delegated(
        world,
        root,
        Holder(kind=HolderKind.PERSON, id=world.people["amara"].id),
        "Amara: bias across sizes",
        root.scope.model_copy(
            update={
                "purposes": frozenset({"bias-analysis"}),
                "token_budget": 200_000,
                "concurrency": 4,
                "periods": (PeriodBudget(period=Period.DAY, tokens=40_000),),
            }
        ),
    )
    program = world.portal.programs.register(
        world.as_("priya"),
        institution_id=NORTHGATE,
        name="Nightly bias probe",
        contact="language@northgate.example",
        # The private half is thrown away: nobody runs this program.
        jwks={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64url_encode(SigningKey.generate().public.raw)}]},
    )
    if amara.scope is None:
        raise TypeError("a grant that was delegated has a scope")
    _delegated(
        world,
        amara,
        Holder(kind=HolderKind.PROGRAM, id=program.id),
        "Nightly bias probe",
        amara.scope.model_copy(
            update={
                "operations": frozenset({Operation.GENERATE}),
                "token_budget": 50_000,
                "sampling": Sampling(max_tokens=64, choices=8),
            }
        ),
    )


def _delegated(world: World, parent: Grant, holder: Holder, label: str, scope: Scope) -> Grant:
    return world.portal.grants.delegate(world.as_("priya"), parent.id, holder=holder, label=label, scope=scope)
