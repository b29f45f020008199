"""What the operator's policy marks as high risk, of the checkpoints as they are registered now."""

from agreements.access_requests import CheckpointFacts, Mark, RiskPolicy, marks_of
from agreements.actors import PartyKind
from agreements.agreement import Agreement
from agreements.scopes import Scope
from portal.config import Settings
from portal.services.kernel import Kernel


class HighRisk:
    """Answers why two coordinators have to stand behind what a scope opens. Authorises nobody."""

    def __init__(self, kernel: Kernel, settings: Settings) -> None:
        self._kernel = kernel
        self._two_for_grants = settings.high_risk_grants_need_two
        self.policy = RiskPolicy(
            stages=frozenset(stage.value for stage in settings.high_risk_stages),
            operations=settings.high_risk_operations,
            parameters=settings.high_risk_parameters,
            token_budget=settings.high_risk_token_budget,
        )

    def marks(self, scope: Scope) -> tuple[Mark, ...]:
        """Every mark that fires on a scope."""
        rows = self._kernel.store.query(
            "SELECT checkpoint_id, family, stage, parameters FROM model_checkpoint "
            "ORDER BY family, parameters, checkpoint_id"
        )
        facts = [
            CheckpointFacts(
                id=row["checkpoint_id"], family=row["family"], stage=row["stage"], parameters=row["parameters"]
            )
            for row in rows
        ]
        return marks_of(scope, facts, self.policy)

    def needs_another(self, agreement: Agreement) -> tuple[str, ...]:
        """Those who, having signed the agreement for the lab, do not open by themselves what it allows of high risk.

        Empty where the operator does not ask for it, and while the lab has one coordinator only: there is nobody else
        who could agree.
        """
        if not self._two_for_grants:
            return ()
        rows = self._kernel.store.query("SELECT count(*) AS people FROM person WHERE coordinator AND active")
        version = agreement.governing
        if rows[0]["people"] < 2 or version is None:
            return ()
        return tuple(one.signer_id for one in version.signatures if one.party is PartyKind.LAB)

    def added(self, scope: Scope, before: Scope) -> tuple[Mark, ...]:
        """The marks that fire on a scope and did not on the one before it."""
        known = self.marks(before)
        return tuple(mark for mark in self.marks(scope) if mark not in known)
