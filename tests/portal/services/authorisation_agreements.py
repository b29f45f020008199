"""Who may do what to an agreement, and to what surrounds one: templates, campaigns, duties."""

from datetime import timedelta
from typing import Any

from agreements.actors import Actor
from agreements.agreement import PAYLOAD_TYPE, Change
from agreements.clauses import SuspensionReason
from agreements.duties import IncidentKind
from portal.services.agreement_facts import Act
from portal.services.agreements import AgreementService
from portal.services.templates import USUAL
from tests.portal.services.authorisation_stage import (
    LAB_ONLY,
    LEAD,
    PARTIES,
    SIGNATORIES,
    WORDS,
    Call,
    Rows,
    Stage,
    other_clauses,
    publish_usual,
)


def _sign(agreement: str) -> Call:
    def call(stage: Stage, actor: Actor) -> object:
        agreement_id = getattr(stage, agreement)
        digest = stage.world.portal.agreements.get(stage.world.actor("ada"), agreement_id).document_digest or ""
        return stage.world.portal.agreements.sign(actor, agreement_id, typed_name=actor.name, document_digest=digest)

    return call


def _submit(stage: Stage, actor: Actor) -> object:
    portal, ben = stage.world.portal, stage.world.actor("ben")
    document = portal.agreements.get(ben, stage.offered).document_bytes()
    envelope = portal.institutions.sign("north", ben, PAYLOAD_TYPE, document).to_json()
    return portal.agreements.submit_signature(actor, stage.offered, envelope)


def _on(method: str, agreement: str, **fields: Any) -> Call:
    """A method of the agreement service, on one of the stage's agreements."""

    def call(stage: Stage, actor: Actor) -> object:
        return getattr(stage.world.portal.agreements, method)(actor, getattr(stage, agreement), **fields)

    assert callable(getattr(AgreementService, method))
    return call


def _text(method: str, agreement: str, **fields: Any) -> Call:
    """The same, with other clauses than the agreement has."""

    def call(stage: Stage, actor: Actor) -> object:
        clauses = other_clauses(stage.world.portal.agreements.get(stage.world.actor("ada"), stage.in_force))
        return _on(method, agreement, clauses=clauses, **fields)(stage, actor)

    return call


def _facts(method: str, agreement: str, *more: object) -> Call:
    """A question about one of the stage's agreements."""

    def call(stage: Stage, actor: Actor) -> object:
        return getattr(stage.world.portal.agreement_facts, method)(actor, getattr(stage, agreement), *more)

    return call


def _duty(method: str, **fields: Any) -> Call:
    """A method of the duty service, on the first duty under the agreement in force."""

    def call(stage: Stage, actor: Actor) -> object:
        return getattr(stage.world.portal.duties, method)(actor, stage.in_force, stage.feedback(), **fields)

    return call


def _postpone(stage: Stage, actor: Actor) -> object:
    view = stage.world.portal.duties.get(stage.world.actor("ada"), stage.in_force, stage.feedback())
    later = view.standing.due_at + timedelta(days=7)
    return _duty("postpone", due_at=later, reason=WORDS)(stage, actor)


def _report(stage: Stage, actor: Actor) -> object:
    return stage.world.portal.duties.report_incident(
        actor, stage.in_force, kind=IncidentKind.LEAK, aware_at=stage.world.clock(), statement=WORDS
    )


AGREEMENTS: Rows = {
    "agreements.draft": (lambda s, a: s.world.portal.agreements.draft(a, institution_id="north"), LAB_ONLY),
    "agreements.edit": (_text("edit", "draft", title="Other terms"), LAB_ONLY),
    "agreements.edit (amendment)": (_text("edit", "amending", title="Other terms"), LAB_ONLY),
    "agreements.offer": (_on("offer", "draft"), LAB_ONLY),
    "agreements.offer (amendment)": (_on("offer", "amending"), LAB_ONLY),
    "agreements.offer (counter-offer)": (_on("offer", "countered"), LAB_ONLY),
    "agreements.counter (institution)": (_text("counter", "offered"), LEAD),
    "agreements.counter (lab)": (_text("counter", "countered", title="Yet other terms"), LAB_ONLY),
    "agreements.comment": (_on("comment", "offered", text="Why?"), SIGNATORIES),
    "agreements.propose": (_text("propose", "in_force", change=Change.AMENDMENT), SIGNATORIES),
    "agreements.sign (institution)": (_sign("offered"), LEAD),
    "agreements.sign (lab)": (_sign("signed"), LAB_ONLY),
    "agreements.submit_signature": (_submit, LEAD),
    "agreements.decline": (_on("decline", "offered", reason="not now"), LEAD),
    "agreements.decline (counter-offer)": (_on("decline", "countered", reason="not now"), LAB_ONLY),
    "agreements.withdraw": (_on("withdraw", "offered", reason="not now"), LAB_ONLY),
    "agreements.withdraw (counter-offer)": (_on("withdraw", "countered", reason="not now"), LEAD),
    "agreements.withdraw (amendment)": (_on("withdraw", "amending", reason="not now"), LAB_ONLY),
    "agreements.suspend": (
        _on("suspend", "in_force", reason=SuspensionReason.BREACH_OF_TERMS, statement=WORDS),
        LAB_ONLY,
    ),
    "agreements.suspend (requested)": (
        _on("suspend", "in_force", reason=SuspensionReason.REQUESTED, statement=WORDS),
        LEAD,
    ),
    "agreements.lift": (_on("lift", "suspended", number=1, reason="settled"), LAB_ONLY),
    "agreements.appeal": (_on("appeal", "suspended", number=1, text=WORDS), LEAD),
    "agreements.decide_appeal": (_on("decide_appeal", "appealed", number=1, upheld=True, reasons=WORDS), LAB_ONLY),
    "agreements.narrow": (
        _on("narrow", "in_force", operations=["score"], requests_per_minute=1, statement=WORDS),
        LAB_ONLY,
    ),
    "agreements.widen": (_on("widen", "narrowed", reason="settled"), LAB_ONLY),
    "agreements.terminate": (_on("terminate", "in_force", reason="a breach"), SIGNATORIES),
    "agreements.close": (_on("close", "terminated", fulfilled=False), LAB_ONLY),
    "agreements.get (draft)": (_on("get", "draft"), LAB_ONLY),
    "agreements.get": (_on("get", "offered"), PARTIES),
    "agreements.export": (_on("export", "in_force"), PARTIES),
    "agreements.export (version)": (_on("export", "countered", version=1), PARTIES),
    "agreements.export (drafted amendment)": (_on("export", "amending", version=2), LAB_ONLY),
    "agreement_facts.checklist": (_facts("checklist", "offered"), PARTIES),
    "agreement_facts.checklist (draft)": (_facts("checklist", "draft"), LAB_ONLY),
    "agreement_facts.changes": (_facts("changes", "countered"), PARTIES),
    "agreement_facts.compared": (_facts("compared", "countered", 1, 2), PARTIES),
    "agreement_facts.compared (drafted amendment)": (_facts("compared", "amending", 1, 2), LAB_ONLY),
    "agreement_facts.allows": (_facts("allows", "in_force"), PARTIES),
    "agreement_facts.consequences": (_facts("consequences", "in_force", Act.TERMINATE), PARTIES),
    "agreement_facts.consequences (drafted amendment)": (_facts("consequences", "amending", Act.AMEND), LAB_ONLY),
    "agreement_timeline.of": (lambda s, a: s.world.portal.agreement_timeline.of(a, s.in_force), PARTIES),
    "papers.bundle": (lambda s, a: s.world.portal.papers.bundle(a, s.in_force), PARTIES),
    "papers.pdf": (lambda s, a: s.world.portal.papers.pdf(a, s.offered), PARTIES),
    "papers.pdf (draft)": (lambda s, a: s.world.portal.papers.pdf(a, s.draft), LAB_ONLY),
    "duties.of_agreement": (lambda s, a: s.world.portal.duties.of_agreement(a, s.in_force), PARTIES),
    "duties.get": (_duty("get"), PARTIES),
    "duties.open_keys": (lambda s, a: s.world.portal.duties.open_keys(a, s.in_force), PARTIES),
    "duties.waive": (_duty("waive", reason=WORDS), LAB_ONLY),
    "duties.postpone": (_postpone, LAB_ONLY),
    "duties.report_incident": (_report, SIGNATORIES | {"cleo"}),
    "templates.publish": (lambda s, a: publish_usual(s.world, a), LAB_ONLY),
    "templates.retire": (lambda s, a: s.world.portal.templates.retire(a, USUAL, reason="out of use"), LAB_ONLY),
    "campaigns.preview": (lambda s, a: s.world.portal.campaigns.preview(a, USUAL), LAB_ONLY),
    "campaigns.list": (lambda s, a: [s.world.portal.campaigns.list(a)], LAB_ONLY),
    "campaigns.start": (lambda s, a: s.world.portal.campaigns.start(a, USUAL), LAB_ONLY),
}

FINAL_AGREEMENTS = frozenset(
    name
    for name in AGREEMENTS
    if name.split()[0]
    in {
        *(f"agreements.{method}" for method in ("edit", "offer", "counter", "propose", "sign", "decline", "withdraw")),
        *(f"agreements.{method}" for method in ("suspend", "lift", "appeal", "decide_appeal", "narrow", "widen")),
        *("agreements.terminate", "agreements.close", "agreements.submit_signature"),
        *("duties.waive", "duties.postpone", "templates.publish", "templates.retire", "campaigns.start"),
    }
)
"""Done to an object, it cannot be done to it again."""

OUT_OF_TURN = frozenset(
    {
        ("agreements.sign (institution)", "ada"),
        ("agreements.sign (lab)", "ben"),
        ("agreements.submit_signature", "ada"),
        ("agreements.counter (institution)", "ada"),
        ("agreements.counter (lab)", "ben"),
        ("agreements.withdraw (amendment)", "ben"),
    }
)
"""Speaks for a side, but it is the other side's turn, or nothing is there that this side may know of."""
