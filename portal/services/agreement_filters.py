"""Which agreements a list shows, of those the reader may see at all."""

from collections.abc import Iterable
from datetime import datetime

from agreements.agreement import Agreement, AgreementStatus
from agreements.clauses import Form
from agreements.deciders import Value


class AgreementFilters(Value):
    """What narrows a list; None leaves a dimension open."""

    status: AgreementStatus | None = None
    """As it stands at the moment of asking, suspended and expired included."""
    institution_id: str | None = None
    form: Form | None = None
    template_id: str | None = None
    open_proposal: bool | None = None
    """Whether a text is under negotiation, a first one or a change."""

    def of(self, agreements: Iterable[Agreement], now: datetime) -> tuple[Agreement, ...]:
        """Those that fit at ``now``, in the order in which they come."""
        return tuple(agreement for agreement in agreements if self._fits(agreement, now))

    def _fits(self, agreement: Agreement, now: datetime) -> bool:
        asked = (
            (self.status, agreement.status_on(now)),
            (self.institution_id, agreement.institution_id),
            (self.form, agreement.form),
            (self.template_id, agreement.template_id),
            (self.open_proposal, agreement.proposal is not None),
        )
        return all(wanted is None or wanted == found for wanted, found in asked)
