"""The widest grant an agreement allows, over all and use by use."""

from agreements.deciders import Value
from agreements.scopes import Excess, Operation, Scope, excesses


class UseBound(Value):
    """What one listed use allows, besides the bound of the whole agreement. None stands for no bound of its own."""

    purpose: str
    checkpoints: frozenset[str]
    operations: frozenset[Operation]
    token_budget: int | None
    requests_per_minute: int | None


class Bounds(Value):
    """The widest grant: a scope over all, and narrower bounds for each purpose where uses are listed."""

    scope: Scope
    uses: tuple[UseBound, ...] = ()

    def use(self, purpose: str) -> UseBound | None:
        """The bound of that purpose, if uses are listed."""
        return next((use for use in self.uses if use.purpose == purpose), None)

    def beyond(self, scope: Scope) -> tuple[Excess, ...]:
        """Every dimension in which a grant of ``scope`` would go beyond the agreement.

        Listed uses are not held against a grant but against each run, under the purpose it declares: a grant for
        several purposes may be wider than each of them alone.
        """
        return excesses(scope, self.scope)
