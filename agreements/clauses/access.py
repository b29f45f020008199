"""Clauses that bound access: permitted uses, limits, named users, vetting, term, amendments."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator, model_validator

from agreements.bounds import UseBound
from agreements.clauses.base import ClauseBase, Effect, Target, days, readable
from agreements.deciders import Value, later
from agreements.limits import AtOnce, Hours, Periods, PerMinute, RequestCount, Sampling, TokenCount
from agreements.precision import Precisions
from agreements.scopes import MAX_CHECKPOINTS, MAX_PURPOSES, Operation, Slug, precisions_in_words
from agreements.vetting import VettingItem

UseId = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9-]*$")]

Email = Annotated[str, Field(max_length=200, pattern=r"^[^@\s<>]+@[^@\s<>]+$")]


class Use(Value):
    """One permitted use. A run cites ``use_id`` as its purpose; limits left out are those of the whole agreement."""

    use_id: UseId
    title: Annotated[str, Field(min_length=3, max_length=200)]
    checkpoints: frozenset[Slug] = Field(min_length=1, max_length=MAX_CHECKPOINTS)
    operations: frozenset[Operation] = Field(min_length=1)
    data_classes: frozenset[Slug] = Field(default=frozenset(), max_length=20)
    """Kinds of data that prompts may hold, for instance ``public-text``."""
    token_budget: TokenCount | None = None
    """Prompt and completion tokens, together, over the life of the agreement."""
    requests_per_minute: PerMinute | None = None

    @field_serializer("checkpoints", "operations", "data_classes")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        return sorted(values)

    def bound(self) -> UseBound:
        """What a run for this purpose is held to."""
        return UseBound(
            purpose=self.use_id,
            checkpoints=self.checkpoints,
            operations=self.operations,
            token_budget=self.token_budget,
            requests_per_minute=self.requests_per_minute,
        )

    def limits(self) -> tuple[str, ...]:
        """The use's own limits in words."""
        found = (
            f"at most {self.token_budget:,} tokens in all" if self.token_budget else "",
            f"at most {self.requests_per_minute:,} requests a minute" if self.requests_per_minute else "",
        )
        return tuple(filter(None, found))

    def __str__(self) -> str:
        # Signed texts cite these words: they never change.
        limits = [
            f"at most {self.token_budget:,} tokens" if self.token_budget else "",
            f"at most {self.requests_per_minute:,} requests a minute" if self.requests_per_minute else "",
            f"with {readable(self.data_classes)}" if self.data_classes else "",
        ]
        said = [
            self.title,
            f"by {readable(self.operations)}",
            f"on {readable(self.checkpoints)}",
            *filter(None, limits),
        ]
        return f"{self.use_id} ({', '.join(said)})"


class PermittedUses(ClauseBase):
    """The exhibit of approved uses: what a grant may contain.

    Either ``uses`` lists them one by one, and the three sets are their union; or the sets stand alone, and each
    purpose may do all of it.
    """

    kind: Literal["permitted_uses"] = "permitted_uses"
    checkpoints: frozenset[Slug] = Field(min_length=1, max_length=MAX_CHECKPOINTS)
    operations: frozenset[Operation] = Field(min_length=1)
    purposes: frozenset[Slug] = Field(min_length=1, max_length=MAX_PURPOSES)
    uses: tuple[Use, ...] | None = later(min_length=1, max_length=MAX_PURPOSES)

    @model_validator(mode="before")
    @classmethod
    def _united(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not data.get("uses") or not isinstance(data["uses"], list | tuple):
            return data
        uses = [Use.model_validate(use) for use in data["uses"]]
        return {
            **data,
            "uses": uses,
            "checkpoints": frozenset[str]().union(*(use.checkpoints for use in uses)),
            "operations": frozenset[Operation]().union(*(use.operations for use in uses)),
            "purposes": frozenset(use.use_id for use in uses),
        }

    @field_validator("uses")
    @classmethod
    def _told_apart(cls, uses: tuple[Use, ...] | None) -> tuple[Use, ...] | None:
        if uses is not None and len({use.use_id for use in uses}) < len(uses):
            raise ValueError("two uses have the same id")
        return uses

    @field_serializer("checkpoints", "operations", "purposes")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        # Both parties sign these bytes: they must not depend on set order, which differs from process to process.
        return sorted(values)

    def use(self, purpose: str) -> Use | None:
        """The listed use of that id, if uses are listed."""
        return next((use for use in self.uses or () if use.use_id == purpose), None)

    def effects(self) -> tuple[Effect, ...]:
        """Enforced on every request, use by use."""
        found = [
            Effect(
                compiles_to=Target.GRANT_BOUND, summary="Anything outside these uses is refused, request by request."
            )
        ]
        found += [
            Effect(compiles_to=Target.QUOTA, summary=f"{use.use_id}: {', '.join(limits)}.")
            for use in self.uses or ()
            if (limits := use.limits())
        ]
        if any(use.data_classes for use in self.uses or ()):
            found.append(
                Effect(
                    compiles_to=Target.TRACKED, summary="What data prompts hold is declared; the portal cannot tell."
                )
            )
        return tuple(found)


class UsageLimits(ClauseBase):
    """How much may be asked for."""

    kind: Literal["usage_limits"] = "usage_limits"
    token_budget: TokenCount
    requests_per_minute: PerMinute
    request_budget: RequestCount | None = later()
    periods: Periods | None = later(min_length=1)
    concurrency: AtOnce | None = later()
    """Runs under way at once."""
    sampling: Sampling | None = later()
    hours: Hours | None = later()
    holder_bound: Literal[True] | None = later()
    """Whether tokens have to be bound to their holder's key."""
    output_budget: TokenCount | None = later()
    """Completion tokens alone."""
    logit_bias: Literal[True] | None = later()
    """Whether a grant may allow requests to bias logits."""
    precisions: Precisions | None = later()
    """In which precisions answers may be computed."""

    def effects(self) -> tuple[Effect, ...]:
        """Enforced as quota and rate, and on each request."""
        quotas = [f"{self.token_budget:,} tokens and {self.requests_per_minute:,} requests a minute"]
        quotas += [f"{self.request_budget:,} requests in all"] if self.request_budget else []
        quotas += [str(budget) for budget in self.periods or ()]
        quotas += [f"{self.concurrency:,} runs at once"] if self.concurrency else []
        quotas += [f"{self.output_budget:,} generated tokens in all"] if self.output_budget else []
        conditions = [f"Each request samples {self.sampling}."] if self.sampling else []
        conditions += [f"Requests are taken {self.hours}."] if self.hours else []
        conditions += ["Requests prove the key that their token is bound to."] if self.holder_bound else []
        conditions += ["Requests bias logits only under a grant that says so."] if self.logit_bias else []
        if self.precisions is not None:
            conditions.append(f"Answers are computed in {precisions_in_words(self.precisions)}, or refused.")
        return (
            *(Effect(compiles_to=Target.QUOTA, summary=f"At most {quota}.") for quota in quotas),
            *(Effect(compiles_to=Target.CONDITION, summary=condition) for condition in conditions),
        )


class NamedUser(Value):
    """Somebody who may use the access."""

    name: Annotated[str, Field(min_length=2, max_length=120)]
    email: Email

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class NamedUsers(ClauseBase):
    """Only these people use the access."""

    kind: Literal["named_users"] = "named_users"
    users: tuple[NamedUser, ...] = Field(min_length=1, max_length=200)

    def names(self, email: str) -> bool:
        """Whether the person with this address is among them."""
        return email.casefold() in {user.email.casefold() for user in self.users}

    def effects(self) -> tuple[Effect, ...]:
        """A condition of every request; what they pass on is beyond software."""
        return (
            Effect(compiles_to=Target.CONDITION, summary="Requests of anyone not named here are refused."),
            Effect(compiles_to=Target.TRACKED, summary="Passing on what was obtained cannot be prevented."),
        )


class Vetting(ClauseBase):
    """What the institution's passport has to show before signature, and for as long as the agreement runs."""

    kind: Literal["vetting"] = "vetting"
    items: frozenset[VettingItem] = Field(min_length=1)
    grace_days: Annotated[int, Field(ge=0, le=365)]
    """Days after an item lapses until requests are refused."""

    @field_serializer("items")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        return sorted(values)

    def readable_data(self) -> dict[str, str]:
        """The items in words, without underscores."""
        return {**super().readable_data(), "items": ", ".join(sorted(item.label for item in self.items))}

    def effects(self) -> tuple[Effect, ...]:
        """Conditions of signature and of access."""
        return (
            Effect(compiles_to=Target.CONDITION, summary="The lab cannot countersign while an item is missing."),
            Effect(
                compiles_to=Target.CONDITION,
                summary=f"Requests are refused {days(self.grace_days)} after an item lapses.",
            ),
        )


class Term(ClauseBase):
    """How long the agreement runs from its entry into force, and how often it may be renewed."""

    kind: Literal["term"] = "term"
    days: Annotated[int, Field(ge=1, le=3660)]
    renewals: Annotated[int, Field(ge=0, le=20)] | None = later()
    """How often the term may begin anew; None leaves it open."""
    renewal_window_days: Annotated[int, Field(ge=1, le=366)] | None = later()
    """How long before its end the renewal may be proposed; None leaves it open."""

    def effects(self) -> tuple[Effect, ...]:
        """Enforced as expiry of every grant."""
        found = [
            Effect(compiles_to=Target.EXPIRY, summary=f"Every grant ends at the latest after {days(self.days)}."),
        ]
        if self.renewals is not None:
            found.append(
                Effect(compiles_to=Target.CONDITION, summary=f"The term can be renewed {self.renewals:,} times.")
            )
        if self.renewal_window_days is not None:
            found.append(
                Effect(
                    compiles_to=Target.CONDITION,
                    summary=f"A renewal can be proposed in the last {days(self.renewal_window_days)} of the term.",
                )
            )
        return tuple(found)


class Amendments(ClauseBase):
    """How an amendment takes over from what it amends."""

    kind: Literal["amendments"] = "amendments"
    grace_days: Annotated[int, Field(ge=0, le=366)]
    """Days for which grants and tokens of the amended version go on working."""

    def effects(self) -> tuple[Effect, ...]:
        """A window in which both versions hold."""
        return (
            Effect(
                compiles_to=Target.EXPIRY,
                summary=f"Tokens under an amended version work for {days(self.grace_days)} more, then are refused.",
            ),
        )
