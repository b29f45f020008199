"""Access asked for in the story: granted to one person, refused with a reason, met half-way, and looked at by two."""

from datetime import timedelta
from typing import Any

from agreements.access_requests import Draft
from agreements.grants import Holder, HolderKind
from agreements.limits import Period, PeriodBudget
from agreements.scopes import Operation, family_selector
from portal.demo.cast import NORTHGATE, OPENWATCH
from portal.demo.framework import SCHEDULE
from portal.demo.world import World


def first_requests_are_decided(world: World) -> None:
    """Jonas gets a budget of his own; Open Watch is refused what its agreement does not open."""
    world.on(30.9)
    jonas = Holder(kind=HolderKind.PERSON, id=world.people["jonas"].id)
    own = _asked(
        world,
        "jonas",
        NORTHGATE,
        title="Jonas: prompt sensitivity of the smaller sizes",
        use="How much do scores move when a prompt is reworded without changing its sense? Five hundred prompts in "
        "four wordings each, scored on every size that partners reach. The wordings and all scores are published.",
        holder=jonas,
        checkpoints=frozenset({family_selector(world.ladder.family)}),
        operations=frozenset({Operation.SCORE}),
        purposes=frozenset({"bias-analysis"}),
        token_budget=150_000,
        requests_per_minute=30,
        periods=(PeriodBudget(period=Period.DAY, tokens=20_000),),
    )
    world.on(30.3)
    world.portal.access_requests.approve(
        world.as_("tobias"), own, note="A clear plan, a small budget, and nothing that is withheld."
    )
    world.on(30.2)
    tuned = _asked(
        world,
        "elena",
        OPENWATCH,
        title="A classifier of our own",
        use="We want to fine-tune the second size on our archive, so that our desk can flag generated text by itself.",
        checkpoints=frozenset({world.sizes[1]}),
        operations=frozenset({Operation.GENERATE, Operation.FINE_TUNE}),
        purposes=frozenset({"detection-research"}),
        token_budget=300_000,
        requests_per_minute=60,
    )
    world.on(29.6)
    world.portal.access_requests.refuse(
        world.as_("mara"),
        tuned,
        reason="Your agreement opens no fine-tuning, and a tuned copy would have to leave the sandbox to be of use at "
        "your desk. Score with what you have, or propose an amendment that says what becomes of the tuned weights.",
    )


def ridgeline_waits(world: World) -> None:
    """Nobody of the lab has answered, and the ten working days are over."""
    world.on(20.4)
    _asked(
        world,
        "beatriz",
        SCHEDULE,
        title="A second reader for the detector study",
        use="Our second reader judges the samples of the first without knowing the answers, so that we can say how "
        "far two people agree on which answers a model wrote.",
        checkpoints=frozenset({family_selector(world.ladder.family)}),
        operations=frozenset({Operation.GENERATE}),
        purposes=frozenset({"detection-research"}),
        token_budget=40_000,
        requests_per_minute=10,
    )


def northgate_asks_for_more(world: World) -> None:
    """One request is met half-way, one awaits a second coordinator, and one is still being written."""
    world.on(2.25)
    more = _asked(
        world,
        "priya",
        NORTHGATE,
        title="Autumn term: replication with students",
        use="Forty students repeat our measurement of bias, each on templates of their own. We publish the templates, "
        "the scores of all sizes, and how far the replications agree.",
        checkpoints=frozenset({family_selector(world.ladder.family)}),
        operations=frozenset({Operation.GENERATE, Operation.SCORE}),
        purposes=frozenset({"bias-analysis"}),
        token_budget=3_000_000,
        requests_per_minute=120,
    )
    world.on(2.2)
    largest = _asked(
        world,
        "jonas",
        NORTHGATE,
        title="Memorised text in the largest size",
        use="Does the largest checkpoint repeat licences and code verbatim more often than the third? Two thousand "
        "prefixes, twenty completions each. Matches are filed as findings before anything is published.",
        checkpoints=frozenset({world.sizes[-1]}),
        operations=frozenset({Operation.GENERATE, Operation.LOGPROBS}),
        purposes=frozenset({"misuse-analysis"}),
        token_budget=400_000,
        requests_per_minute=60,
    )
    world.on(2.05)
    service = world.portal.access_requests
    found = service.background(world.as_("mara"), more).comparison
    if found is None or found.suggestion is None:
        raise TypeError("the request goes beyond the agreement, and something is left of it")
    service.offer(
        world.as_("mara"),
        more,
        scope=found.suggestion.model_copy(
            update={"token_budget": 900_000, "periods": (PeriodBudget(period=Period.WEEK, tokens=150_000),)}
        ),
        reason="The agreement allows two million tokens in all, and your other studies draw on them too. Nine hundred "
        "thousand carry forty students through a term; a weekly limit keeps the first week from taking all of it.",
    )
    world.on(1.98)
    service.approve(
        world.as_("tobias"), largest, note="The prefixes are public, and what is found comes to us first. Fine by me."
    )
    world.on(1.95)
    service.open(
        world.as_("priya"),
        content=Draft(
            title="Detector study with Lakeside",
            agreement_id=world.agreements[NORTHGATE].id,
            intended_use="Together with Lakeside College: can readers and detectors tell the ladder's",
            checkpoints=frozenset({world.sizes[1], world.sizes[2]}),
            operations=frozenset({Operation.GENERATE}),
        ),
    )


def _asked(world: World, who: str, agreement: str, *, title: str, use: str, **scope: Any) -> str:
    """The id of a request that was drafted and submitted, until a month before its agreement ends at the latest."""
    bounds = world.portal.grants.bounds(world.as_("mara"), world.agreements[agreement].id)
    until = min(world.moment(-90), bounds.expires_at - timedelta(days=30))
    content = Draft(
        title=title,
        agreement_id=world.agreements[agreement].id,
        intended_use=use,
        expires_at=until.replace(hour=23, minute=59, second=59, microsecond=0),
        **scope,
    )
    service, actor = world.portal.access_requests, world.as_(who)
    request_id = service.open(actor, content=content).request.id
    service.submit(actor, request_id)
    return request_id
