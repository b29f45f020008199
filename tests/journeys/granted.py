"""What access looks like once it is lived with: requests in every state, grants passed on, access taken away."""

from datetime import timedelta
from typing import Any

from agreements.access_requests import Draft
from agreements.actors import Actor, Channel
from agreements.grants import Holder, HolderKind
from agreements.limits import Period, PeriodBudget, Sampling
from agreements.people import Person
from agreements.scopes import Operation
from portal.composition import Portal, utc_now
from portal.config import load
from tests.journeys.conftest import Cast, Server

CHECKPOINT = "ladder-l"
PURPOSE = "misuse-analysis"
USE = "Three hundred continuations of office mail, each judged by two people who do not know where it came from."


def grant(server: Server, cast: Cast, members: dict[str, Person], agreement_id: str) -> dict[str, tuple[str, ...]]:
    """Furnish access under an agreement in force; the addresses worth a look, by role. The server must not run yet.

    ``members`` are people of the partner, by role: ``member`` and ``named``, a researcher.
    """
    with Portal.open(load(server.data, port=server.port)) as portal:
        return _Access(portal, cast, members, agreement_id).go_on()


class _Access:
    """The steps, each as whoever takes it."""

    def __init__(self, portal: Portal, cast: Cast, members: dict[str, Person], agreement_id: str) -> None:
        self._portal, self._agreement = portal, agreement_id
        self._lab: Actor = cast.coordinator.actor(Channel.CLI)
        self._lead: Actor = cast.lead.actor(Channel.CLI)
        self._member: Actor = members["member"].actor(Channel.CLI)
        self._named = members["named"]

    def go_on(self) -> dict[str, tuple[str, ...]]:
        """Everything; the addresses."""
        requests, asked = self._portal.access_requests, {name: self._asked(name) for name in ("Waits", "Met half-way")}
        draft = self._drafted("Not yet said", token_budget=None, expires_at=None)
        refused = self._asked("Too much")
        requests.refuse(self._lab, refused, reason="It says nothing of what becomes of the answers.")
        terms = requests.get(self._lab, asked["Met half-way"]).terms
        assert terms is not None
        requests.offer(
            self._lab,
            asked["Met half-way"],
            scope=terms.scope.model_copy(update={"token_budget": 50_000}),
            reason="A tenth of that is enough for three hundred answers.",
        )
        root, part = self._passed_on()
        self._taken_away(root)
        submitted, amended = asked["Waits"], asked["Met half-way"]
        why = f"/explain?checkpoint={CHECKPOINT}&operation=generate&purpose={PURPOSE}"
        everybody = ("/usage?view=hours", "/usage?view=budgets", "/access-log?kind=run", why)
        partner = (f"/requests?request={amended}", f"/requests?request={refused}", *everybody)
        grants = ("/grants?view=tree", f"/grants?grant={root}", f"/grants?grant={part}")
        return {
            "coordinator": (
                f"/requests?request={submitted}",
                *partner,
                *grants,
                f"{why}&who=person&person={self._named.id}",
                "/revocations",
            ),
            "lead": (*partner, *grants, "/grants?view=table"),
            "member": (f"/requests?request={draft}", *partner, "/requests?show=drafts"),
            "named": (f"/grants?grant={part}", f"/tokens?grant={part}", *everybody),
        }

    def _drafted(self, title: str, **changes: Any) -> str:
        content: dict[str, Any] = {
            "title": title,
            "agreement_id": self._agreement,
            "intended_use": USE,
            "checkpoints": frozenset({CHECKPOINT}),
            "operations": frozenset({Operation.GENERATE}),
            "purposes": frozenset({PURPOSE}),
            "token_budget": 500_000,
            "requests_per_minute": 30,
            "expires_at": utc_now().replace(microsecond=0) + timedelta(days=30),
            "periods": (PeriodBudget(period=Period.WEEK, tokens=100_000),),
        }
        return self._portal.access_requests.open(self._member, content=Draft(**{**content, **changes})).request.id

    def _asked(self, title: str) -> str:
        request_id = self._drafted(title)
        self._portal.access_requests.submit(self._member, request_id)
        return request_id

    def _passed_on(self) -> tuple[str, str]:
        """A grant of the institution, and a narrower part of it for one person, who has a token on it."""
        grants = self._portal.grants
        root = grants.issue(self._lab, agreement_id=self._agreement, label="Office mail", delegated_only=True)
        assert root.scope is not None
        narrow = root.scope.model_copy(
            update={
                "token_budget": 5_000,
                "periods": (PeriodBudget(period=Period.DAY, tokens=1_000, requests=40),),
                "sampling": Sampling(max_tokens=64, max_temperature=1.0),
            }
        )
        holder = Holder(kind=HolderKind.PERSON, id=self._named.id)
        part = grants.delegate(self._lead, root.id, holder=holder, label="The first fifty answers", scope=narrow)
        named = self._named.actor(Channel.CLI)
        self._portal.tokens.issue(named, label="notebook", grant_id=part.id, purpose=PURPOSE)
        return root.id, part.id

    def _taken_away(self, root: str) -> None:
        """Another part, which is revoked, and a third one, which is suspended."""
        grants = self._portal.grants
        scope = grants.get(self._lead, root).grant.scope
        assert scope is not None
        for person, label, act in (
            (self._named.id, "A pilot", grants.revoke),
            (self._member.person_id, "Prompts by hand", grants.suspend),
        ):
            holder = Holder(kind=HolderKind.PERSON, id=person)
            part = grants.delegate(self._lead, root, holder=holder, label=label, scope=scope)
            act(self._lead, part.id, reason="The pilot is over, and the prompts are under review.")
