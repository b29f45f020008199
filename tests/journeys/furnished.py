"""A portal in which every screen has something to show, for whoever looks at all of them."""

from dataclasses import dataclass, field

from agreements.actors import LAB, Actor, Channel, Role
from agreements.people import Person
from model_access.generation import GenerationRequest
from model_access.stages import Stage
from portal.composition import Portal
from portal.config import load
from portal.findings import FindingDraft, FindingView, Kind, Severity, Tlp
from portal.norms.model import Choice, NormClause, NormText
from portal.norms.service import NormDraft, PositionDraft
from portal.release.model import FindingCitation, Proposal, Verdict
from tests.journeys.conftest import PARTNER, Cast, Server

HOSTILE = '**Injected** ![x](https://evil.example/x.png) <script>document.title="owned"</script> :material/home: $x^2$'
"""A reporter's title that would be bold, load a picture, run a script and set a formula, were it not shown as it is."""

MORE = 4
"""How often each may come in again."""

LONG = "an-unbroken-word-that-goes-on-" * 6


@dataclass(frozen=True)
class Furnished:
    """Ids of what is there, and one-time links for each role."""

    people: dict[str, Person]
    """By role; ``researcher`` is the lab's, ``named`` the partner's."""
    links: dict[str, str]
    more: dict[str, list[str]]
    """Further links for each, to be used up by ``again``."""
    agreement: str
    offered: str
    grant: str
    run: str
    finding: str
    hostile: str
    norm: str
    decision: str
    lived: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What ``tests.journeys.lived`` added: addresses by role."""
    granted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What ``tests.journeys.granted`` added: addresses by role."""

    def again(self, role: str) -> str:
        """A link that nobody used yet."""
        return self.more[role].pop()


def furnish(server: Server, cast: Cast) -> Furnished:
    """Agreements, a grant, a real run, findings, a norm and a decision. The server must not run yet."""
    with Portal.open(load(server.data, port=server.port)) as portal:
        lab, lead = cast.coordinator.actor(Channel.CLI), cast.lead.actor(Channel.CLI)
        agreement, offered = _agreement(portal, lab, lead), portal.agreements.draft(lab, institution_id=PARTNER)
        portal.agreements.offer(lab, offered.id)
        portal.agreements.draft(lab, institution_id=PARTNER, title="A second attempt")
        grant = portal.grants.issue(lab, agreement_id=agreement, label="Misuse study").id
        portal.tokens.issue(lead, label="notebook", grant_id=grant, purpose="misuse-analysis")
        request = GenerationRequest(prompts=("The module",), max_tokens=4, seed=1)
        terms = portal.runs.begin(lead, "ladder-l", request, purpose="misuse-analysis").result().run.terms
        assert terms is not None
        finding = _finding(portal, lead, "Fluent documentation on request", run_ids=(terms.run_id,))
        hostile = _finding(portal, lead, HOSTILE, summary=f"# Not a heading\n\n{LONG}\n\n<b>not bold</b>")
        portal.findings.acknowledge(lab, finding.finding_id)
        norm = portal.norms.propose(lab, NormDraft(institution_id=LAB, quorum=1, text=_text()))
        position = PositionDraft(
            institution_id=PARTNER, revision_digest=norm.revision_digest, position=Choice.SUPPORT, reason="Yes."
        )
        portal.norms.take_position(lead, norm.norm_id, position)
        decision = portal.release.decide(
            lab,
            Proposal(
                checkpoint_id="ladder-l",
                from_stage=Stage.WITHHELD,
                verdict=Verdict.HOLD,
                rationale="Wait for the detection study.",
                findings=(FindingCitation(finding_id=finding.finding_id, version=1, digest=finding.digest),),
            ),
        )
        people = {"coordinator": cast.coordinator, "lead": cast.lead, "researcher": cast.researcher}
        people |= {"member": _person(portal, "Dee Member", Role.PARTNER_MEMBER)}
        people |= {"observer": _person(portal, "Eli Observer", Role.OBSERVER)}
        people |= {"named": _person(portal, "Finn Researcher", Role.RESEARCHER)}
        return Furnished(
            people=people,
            links={role: portal.sign_in.issue_link(lab, person.id) for role, person in people.items()},
            more={
                role: [portal.sign_in.issue_link(lab, person.id) for _ in range(MORE)]
                for role, person in people.items()
            },
            agreement=agreement,
            offered=offered.id,
            grant=grant,
            run=terms.run_id,
            finding=finding.finding_id,
            hostile=hostile.finding_id,
            norm=norm.norm_id,
            decision=decision.decision.decision_id,
        )


def _agreement(portal: Portal, lab: Actor, lead: Actor) -> str:
    drafted = portal.agreements.draft(lab, institution_id=PARTNER)
    offered = portal.agreements.offer(lab, drafted.id)
    for signer in (lead, lab):
        portal.agreements.sign(
            signer, drafted.id, typed_name=signer.name, document_digest=offered.document_digest or ""
        )
    return drafted.id


def _finding(
    portal: Portal, reporter: Actor, title: str, *, summary: str = "Twelve tokens.", run_ids: tuple[str, ...] = ()
) -> FindingView:
    return portal.findings.file(
        reporter,
        FindingDraft(
            institution_id=PARTNER,
            title=title,
            summary=summary,
            kind=Kind.MISUSE_FINDING,
            severity=Severity.LOW,
            marking=Tlp.GREEN,
            checkpoint_ids=("ladder-l",),
            run_ids=run_ids,
        ),
    )


def _text() -> NormText:
    return NormText(title="Publish null results", clauses=(NormClause(clause_id="c1", text="Null results are filed."),))


def _person(portal: Portal, name: str, role: Role) -> Person:
    email = f"{name.partition(' ')[0].lower()}@north.example"
    return portal.people.register(Actor.automatic("furnishing"), name=name, email=email, memberships=[(PARTNER, role)])
