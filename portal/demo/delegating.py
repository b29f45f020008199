"""What a lead passes on: a part of the grant to a researcher, and less of it to a program that runs by night."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from agreements.canonical import b64url_encode
from agreements.grants import Grant, Holder, HolderKind
from agreements.keys import SigningKey
from agreements.limits import Hours, Period, PeriodBudget, Sampling
from agreements.scopes import Operation, Scope
from model_access.client import DPoPKey
from model_access.generation import GenerationRequest
from portal.demo.cast import NORTHGATE
from portal.demo.world import OPENINGS, SEED, World

LONDON: Final = "Europe/London"
NOON: Final = 12
USED_DAYS_AGO: Final = 3.4 / 24
"""When the tokens of the day are used."""


def northgate_delegates(world: World) -> None:
    """Priya gives Amara a small budget by the day, and Amara's program a smaller one for generating only."""
    world.on(1.3)
    root = world.portal.grants.get(world.as_("mara"), world.grants[NORTHGATE].id).grant
    if root.scope is None:
        raise TypeError("a grant that was issued has a scope")
    world.grants["amara"] = amara = _delegated(
        world,
        root,
        Holder(kind=HolderKind.PERSON, id=world.people["amara"].id),
        "Amara: bias across sizes",
        root.scope.model_copy(
            update={
                "purposes": frozenset({"bias-analysis"}),
                "token_budget": 200_000,
                "concurrency": 4,
                "periods": (
                    PeriodBudget(period=Period.DAY, tokens=2_000, requests=20),
                    PeriodBudget(period=Period.WEEK, tokens=8_000),
                ),
                "hours": hours_around(world.moment(USED_DAYS_AGO)),
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
    world.grants["probe"] = _delegated(
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
    world.grants["jonas"] = _delegated(
        world,
        root,
        Holder(kind=HolderKind.PERSON, id=world.people["jonas"].id),
        "Jonas: detection, from one machine",
        root.scope.model_copy(
            update={
                "purposes": frozenset({"detection-research"}),
                "token_budget": 100_000,
                "request_budget": 500,
                "holder_bound": True,
            }
        ),
    )


def northgate_passes_tokens_on(world: World) -> None:
    """The tokens of this morning: the program's, Amara's with what keeps it fresh, Jonas's bound one, and a part of
    Priya's that Jonas uses for her.
    """
    world.on(USED_DAYS_AGO)
    tokens, refresh = world.portal.tokens, world.portal.refresh
    program = next(one for one in world.portal.programs.list(world.as_("priya")) if one.active)
    nightly = tokens.issue(program.actor(), label="nightly, eu-west", grant_id=world.grants["probe"].id)
    _used(world, nightly.token, world.sizes[0], "bias-analysis", max_tokens=24, n=2)
    fresh = refresh.issue(world.as_("amara"), label="notebook server", grant_id=world.grants["amara"].id)
    fresh = refresh.refresh(fresh.refresh_token or "", client_id=None, key_thumbprint=None)
    _used(world, fresh.token, world.sizes[1], "bias-analysis", max_tokens=32, n=4)
    # The key is thrown away: nobody uses this token.
    tokens.issue(
        world.as_("jonas"),
        label="workstation in room 2.14",
        grant_id=world.grants["jonas"].id,
        key_thumbprint=DPoPKey(SigningKey.generate()).thumbprint,
    )
    own = tokens.issue(world.as_("priya"), label="supervision", grant_id=world.grants[NORTHGATE].id)
    passed_on = tokens.narrow(
        world.as_("priya"),
        own.record.id,
        label="Jonas, for the reading group",
        delegate_id=world.people["jonas"].id,
        narrowing={
            "checkpoints": [world.sizes[0]],
            "operations": ["generate"],
            "purposes": ["misuse-analysis"],
            "request_budget": 40,
            "periods": [{"period": "day", "tokens": 1_500}],
            "sampling": {"max_tokens": 64, "max_temperature": 1.0},
        },
    )
    _used(world, passed_on.token, world.sizes[0], "misuse-analysis", max_tokens=40)


def hours_around(at: datetime) -> Hours:
    """Half a day in London that holds the moment: whenever the demonstration is made, its runs are in time."""
    morning = at.astimezone(ZoneInfo(LONDON)).hour < NOON
    opens, closes = ("00:00", "14:00") if morning else ("10:00", "24:00")
    return Hours(opens=opens, closes=closes, zone=LONDON)


def _used(world: World, token: str, checkpoint_id: str, purpose: str, **sampling: Any) -> None:
    """A run by whoever shows the token."""
    actor = world.portal.tokens.authenticate(token).actor
    request = GenerationRequest.parse({"prompts": OPENINGS[:1], "seed": SEED, **sampling})
    world.portal.runs.begin(actor, checkpoint_id, request, purpose=purpose).result()


def _delegated(world: World, parent: Grant, holder: Holder, label: str, scope: Scope) -> Grant:
    return world.portal.grants.delegate(world.as_("priya"), parent.id, holder=holder, label=label, scope=scope)
