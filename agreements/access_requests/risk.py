"""High risk: which marks of a policy fire on what is asked for. One mark is enough for a second person to be needed.

The policy is data of the operator; the facts about checkpoints come from the registry. Nothing here decides.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from pydantic import Field, field_serializer

from agreements.deciders import Value
from agreements.scopes import Operation, Scope


class MarkRule(StrEnum):
    """Which rule of the policy marks a request."""

    STAGE = "stage"
    OPERATION = "operation"
    SIZE = "size"
    AMOUNT = "amount"


class Mark(Value):
    """One reason why a request is high risk."""

    rule: MarkRule
    says: str


class CheckpointFacts(Value):
    """What the policy asks about a checkpoint."""

    id: str
    family: str
    stage: str
    parameters: int


class RiskPolicy(Value):
    """What the operator marks as high risk. An empty set or None switches a rule off."""

    stages: frozenset[str] = frozenset({"withheld"})
    """Stages of checkpoints that are asked for by id; a family selector opens nothing at a withheld one."""
    operations: frozenset[Operation] = frozenset({Operation.ACTIVATIONS, Operation.FINE_TUNE})
    parameters: int | None = Field(default=None, ge=1)
    """The size from which on a checkpoint is high risk."""
    token_budget: int | None = Field(default=None, ge=1)
    """The token budget from which on a request is high risk."""

    @field_serializer("stages", "operations")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        return sorted(values)


def marks_of(scope: Scope, checkpoints: Sequence[CheckpointFacts], policy: RiskPolicy) -> tuple[Mark, ...]:
    """Every mark that fires, in the order of the rules. ``checkpoints`` are all that the portal knows.

    A family selector reaches members of any stage but withheld for the rule on stages, and every member for the rule
    on size: it will open the larger ones as soon as they reach partner access.
    """
    return tuple(_marks(scope, checkpoints, policy))


def _marks(scope: Scope, checkpoints: Sequence[CheckpointFacts], policy: RiskPolicy) -> Iterator[Mark]:
    named = [one for one in checkpoints if scope.names(one.id)]
    covered = [one for one in checkpoints if scope.names(one.id) or scope.covers_family(one.family)]
    open_by_family = [one for one in covered if one not in named and one.stage != "withheld"]
    for one in (*named, *open_by_family):
        if one.stage in policy.stages:
            yield Mark(rule=MarkRule.STAGE, says=f"{one.id} is {one.stage.replace('_', ' ')}")
    for operation in sorted(scope.operations & policy.operations):
        yield Mark(rule=MarkRule.OPERATION, says=f"it asks for the operation {operation}")
    if policy.parameters is not None:
        for one in covered:
            if one.parameters >= policy.parameters:
                yield Mark(
                    rule=MarkRule.SIZE,
                    says=f"{one.id} has {one.parameters:,} parameters, {policy.parameters:,} or more",
                )
    if policy.token_budget is not None and scope.token_budget >= policy.token_budget:
        yield Mark(
            rule=MarkRule.AMOUNT,
            says=f"it asks for {scope.token_budget:,} tokens, {policy.token_budget:,} or more",
        )
