"""What waits for somebody: one line each, with the screen where it is done."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agreements.access_requests import Act as RequestAct
from agreements.actors import LAB, Actor, PartyKind, Role
from agreements.duties import DutyState
from agreements.publication import Act, PublicationStatus
from agreements.vetting import ItemStatus
from portal.composition import Portal
from portal.findings.model import Status
from portal.findings.reads import Filters
from portal.pages.agreement_next import next_steps, waits_for
from portal.pages.duty_view import due_in_words
from portal.pages.frame import institution_name
from portal.pages.words import count, literal, relative, sentence
from portal.services.passports import PassportView

EXPIRES_SOON = timedelta(days=14)
LAPSES_SOON = timedelta(days=30)
"""Vetting takes both sides some time."""


@dataclass(frozen=True)
class Task:
    """One thing to do. ``text`` is Markdown of the portal's own making."""

    icon: str
    text: str
    action: str
    screen: str
    query: dict[str, str] = field(default_factory=dict)


def tasks_for(portal: Portal, actor: Actor, now: datetime) -> tuple[Task, ...]:
    """What waits for the actor, the most binding first."""
    return (
        *_agreements(portal, actor, now),
        *_requests(portal, actor, now),
        *_duties(portal, actor, now),
        *_passports(portal, actor, now),
        *(_findings(portal, actor) if actor.is_coordinator else ()),
        *_norms(portal, actor),
        *_publications(portal, actor, now),
        *(_grants(portal, actor, now) if actor.is_coordinator else ()),
        *_notices(portal, actor),
    )


def _agreements(portal: Portal, actor: Actor, now: datetime) -> list[Task]:
    """What negotiations, signatures, suspensions and appeals wait for; offers out for signature concern the lab too."""
    tasks = []
    for agreement in portal.agreements.list(actor):
        who, title = literal(agreement.institution_name), literal(agreement.title)
        for step in next_steps(agreement, now):
            mine = waits_for(step, agreement, actor)
            if mine and step.action == "Countersign":
                text = f"*{title}*: {step.text}."
            elif mine and step.part == "sign":
                text = f"*{title}*, between the lab and **{who}**; it awaits your signature."
            elif mine or (actor.is_coordinator and step.part == "sign"):
                text = f"*{title}* for **{who}**: {step.dated}."
            else:
                continue
            query = {"agreement": agreement.id, "part": step.part}
            tasks.append(Task(step.icon, text, step.action if mine else "Open", "agreements", query))
    return tasks


def _requests(portal: Portal, actor: Actor, now: datetime) -> list[Task]:
    """Access to decide on, and alternatives to answer; the one due first ahead."""
    tasks = []
    for view in portal.access_requests.waiting_for(actor):
        request, title = view.request, literal(view.request.draft.title)
        due = relative(view.due_at, now) if view.due_at is not None else ""
        query = {"request": request.id}
        if RequestAct.ACCEPT in view.may:
            text = f"The lab offers an alternative to *{title}*; it lapses {due} unless it is answered."
            tasks.append(Task("forum", text, "Answer", "requests", query))
            continue
        who = literal(request.institution_name)
        second = f" **{literal(request.approvals[-1].by_name)}** approves it." if request.approvals else ""
        time = f"the decision was due {due}" if view.overdue else f"decide {due}"
        text = f"**{who}** asks for access: *{title}*;{' high risk,' if view.marks else ''} {time}.{second}"
        tasks.append(Task("alarm" if view.overdue else "approval", text, "Decide", "requests", query))
    return tasks


def _duties(portal: Portal, actor: Actor, now: datetime) -> list[Task]:
    tasks = []
    for view in portal.duties.board(actor):
        state, mine = view.standing.state, "fulfil" in view.actions
        what, query = (
            literal(view.standing.duty.title),
            {"agreement": view.agreement_id, "duty": view.standing.duty.key},
        )
        follows = f" {literal(view.consequence)}" if view.consequence else ""
        if mine and state is DutyState.OVERDUE:
            text = f"*{what}* under *{literal(view.agreement_title)}* is {due_in_words(view, now)}.{follows}"
            tasks.append(Task("alarm", text, "Hand it in", "duties", query))
        elif mine and state is DutyState.DUE:
            text = f"*{what}* under *{literal(view.agreement_title)}* is {due_in_words(view, now)}."
            tasks.append(Task("notifications_active", text, "Hand it in", "duties", query))
        elif actor.is_coordinator and state is DutyState.OVERDUE:
            text = f"*{what}* of **{literal(view.institution_name)}** is {due_in_words(view, now)}.{follows}"
            tasks.append(Task("alarm", text, "Look", "duties", query))
    return tasks


def _passports(portal: Portal, actor: Actor, now: datetime) -> list[Task]:
    tasks = []
    for view in portal.passports.list(actor):
        query = {"institution": view.institution_id}
        if actor.has(Role.PARTNER_LEAD, view.institution_id):
            tasks += [Task("badge", text, "Hand it in", "passports", query) for text in _vetting_to_renew(view, now)]
        for record in view.passport.items if actor.is_coordinator else ():
            if record.pending is not None and record.pending.submitted_by != actor.person_id:
                text = f"**{sentence(record.item.label)}** of **{literal(view.institution_name)}** waits for review."
                tasks.append(Task("fact_check", text, "Review", "passports", query))
    return tasks


def _vetting_to_renew(view: PassportView, now: datetime) -> list[str]:
    found = []
    for line in view.checklist:
        until = line.valid_until
        if line.status in (ItemStatus.RETURNED, ItemStatus.LAPSED, ItemStatus.REVOKED):
            found.append(literal(line.message))
        elif line.valid and not line.awaiting_review and until is not None and until - now < LAPSES_SOON:
            found.append(f"**{sentence(line.item.label)}** in your passport lapses {relative(until, now)}.")
    return found


def _notices(portal: Portal, actor: Actor) -> list[Task]:
    number = portal.notices.unread(actor)
    text = f"You have **{count(number, 'notice')}** that you have not read."
    return [Task("notifications", text, "Read", "notices")] if number else []


def _findings(portal: Portal, actor: Actor) -> list[Task]:
    page = portal.findings.list(actor, Filters(status=Status.FILED), limit=20)
    return [
        Task(
            "inbox",
            f"Finding **{row.finding_id}**, *{literal(row.title)}*, is not acknowledged yet.",
            "Read",
            "findings",
            {"finding": row.finding_id},
        )
        for row in page.rows
    ]


def _norms(portal: Portal, actor: Actor) -> list[Task]:
    tasks = []
    for norm in portal.norms.list(actor, open_only=True):
        query, title = {"norm": norm.norm_id}, literal(norm.title)
        for institution_id in norm.awaiting:
            whose = "the lab" if institution_id == LAB else f"**{literal(institution_name(institution_id))}**"
            text = f"**{norm.norm_id}**, *{title}*, awaits the position of {whose}."
            tasks.append(Task("how_to_vote", text, "Take a position", "norms", query))
        if actor.is_coordinator and norm.counted >= norm.quorum:
            text = f"**{norm.norm_id}**, *{title}*, has its quorum ({norm.counted} of {norm.quorum}) and no outcome."
            tasks.append(Task("gavel", text, "Record the outcome", "norms", query))
    return tasks


def _publications(portal: Portal, actor: Actor, now: datetime) -> list[Task]:
    tasks = []
    for view in portal.publications.list(actor):
        publication, query = view.publication, {"publication": view.publication.id}
        title, who = literal(publication.title), literal(publication.institution_name)
        moves = {act for redaction in view.redactions for act in redaction.may} | set(view.may)
        if view.turn is PartyKind.LAB and view.due_at is not None and moves & {Act.ASK, Act.MAINTAIN}:
            if view.status is PublicationStatus.CONTESTED:
                text = f"**{who}** contests a redaction in *{title}*; it falls away {relative(view.due_at, now)}."
                tasks.append(Task("forum", text, "Maintain it or not", "publications", query))
            else:
                text = f"**{who}** is about to publish *{title}*; silence clears it {relative(view.due_at, now)}."
                tasks.append(Task("newspaper", text, "Review", "publications", query))
        elif view.turn is PartyKind.INSTITUTION and Act.ACCEPT in moves:
            text = f"The lab asks for redactions in *{title}*; your answer is next."
            tasks.append(Task("ink_eraser", text, "Answer", "publications", query))
        elif Act.PUBLISH in moves and publication.planned_for is not None and publication.planned_for <= now.date():
            text = f"*{title}* was planned for {publication.planned_for.isoformat()}; it is not on record as published."
            tasks.append(Task("newspaper", text, "Record it", "publications", query))
    return tasks


def _grants(portal: Portal, actor: Actor, now: datetime) -> list[Task]:
    tasks = []
    for view in portal.grants.list(actor):
        scope = view.grant.scope
        if view.active and scope is not None and scope.expires_at - now < EXPIRES_SOON:
            text = (
                f"Grant *{literal(view.grant.label)}* of **{literal(view.institution_name)}** ends "
                f"{relative(scope.expires_at, now)} with {count(view.left_tokens, 'token')} left."
            )
            tasks.append(Task("hourglass_bottom", text, "Look", "grants", {"grant": view.grant.id}))
    return tasks
