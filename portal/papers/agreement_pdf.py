"""The paper of an agreement as PDF: a reading copy for counsel. What proves anything is the bundle."""

from typing import Final

from agreements.actors import PartyKind
from agreements.clauses import EffectKind
from agreements.institutions import Custody
from portal.papers.paper import AgreementPaper, PaperPlace
from portal.papers.typesetting import Sheet, moment

_EFFECTS: Final = {EffectKind.ENFORCED: "Enforced", EffectKind.DUTY: "Duty", EffectKind.TRACKED: "Tracked only"}
_CUSTODY: Final = {
    Custody.OWN: "The institution’s own; the portal has never held it",
    Custody.PORTAL: "Kept by the portal, used at the signatory’s word",
    None: "Not on record",
}
_PARTIES: Final = {PartyKind.INSTITUTION: "The institution", PartyKind.LAB: "The lab"}


def agreement_pdf(paper: AgreementPaper) -> bytes:
    """The PDF (A4). Equal papers give equal bytes: every date on it comes from the paper."""
    digest = paper.digest or "a draft has no digest yet"
    sheet = Sheet(
        title=f"{paper.title} ({paper.agreement_id}, version {paper.version})",
        author=paper.party(PartyKind.LAB)[0],
        foot=f"{paper.agreement_id} · version {paper.version} · {digest}",
        mark=paper.mark,
        made_at=paper.latest,
    )
    _title(sheet, paper)
    _clauses(sheet, paper)
    _signatures(sheet, paper)
    _checking(sheet, paper)
    return bytes(sheet.output())


def _title(sheet: Sheet, paper: AgreementPaper) -> None:
    sheet.put("AGREEMENT", size=8.5, bold=True, quiet=True, after=2.5)
    sheet.put(paper.title, size=21, bold=True, after=5)
    sheet.put("between", size=9.5, quiet=True, after=1)
    for kind, between in ((PartyKind.INSTITUTION, "and"), (PartyKind.LAB, None)):
        name, object_id = paper.party(kind)
        sheet.put(name, size=13, bold=True)
        sheet.put(f"{_PARTIES[kind]} ({object_id})", size=9, quiet=True, after=1.6)
        if between:
            sheet.put(between, size=9.5, quiet=True, after=1)
    sheet.rule()
    document = paper.document
    facts = [
        ("Reference", paper.agreement_id),
        ("Version", ", ".join(filter(None, (str(paper.version), document.get("change"))))),
        ("Status", paper.status[:1].upper() + paper.status[1:]),
        ("Standard terms", f"{document['template']['id']}, version {document['template']['version']}"),
    ]
    if "framework" in document:
        facts.append(("Framework", f"{document['framework']['agreement_id']}, {document['framework']['digest']}"))
    if paper.replaces:
        facts.append(("Replaces", paper.replaces))
    if paper.tabled_at:
        facts.append(("Put on the table", moment(paper.tabled_at)))
    if paper.effective_at:
        facts.append(("In force from", moment(paper.effective_at)))
    if paper.ends_at:
        facts.append(("Until", moment(paper.ends_at)))
    facts.append(("Digest (SHA-256)", paper.digest or "none: a draft may still change"))
    for label, text in facts:
        sheet.beside(label, text)
    sheet.rule()


def _clauses(sheet: Sheet, paper: AgreementPaper) -> None:
    sheet.put(
        "The numbered text and the data beneath it are what the parties sign. All of a clause’s data is listed, "
        "whether or not its text cites it; the portal’s software follows the data. The note at the bar is no part of "
        "what is signed: it says what the software does about the clause. Enforced: the portal refuses what goes "
        "beyond it. Duty: a dated obligation that the portal reminds of and records. Tracked only: kept and shown; no "
        "software stops a breach.",
        size=8.5,
        quiet=True,
        after=6,
    )
    for number, clause in enumerate(paper.clauses, start=1):
        notes = [(_EFFECTS[effect.kind], effect.summary) for effect in clause.effects]
        data = [(field.label, field.lines) for field in clause.data]
        sheet.clause(f"{number}.", clause.title, clause.text, (f"In data: {clause.kind}", data), notes)
        sheet.set_y(sheet.get_y() + 5)


def _signatures(sheet: Sheet, paper: AgreementPaper) -> None:
    sheet.add_page()
    sheet.put("Signatures", size=16, bold=True, after=2)
    sheet.put(
        "Each signature is an Ed25519 signature over the canonical bytes of the agreement, whose digest is repeated "
        "with it. The signatures themselves are in the bundle.",
        size=9.5,
        quiet=True,
        after=2,
    )
    for place in paper.places:
        _place(sheet, paper, place)


def _place(sheet: Sheet, paper: AgreementPaper, place: PaperPlace) -> None:
    sheet.keep(56)
    sheet.rule(3.5)
    name, _ = paper.party(place.party)
    sheet.put(f"For {name}", size=11.5, bold=True)
    sheet.put(f"{_PARTIES[place.party]}, by its {place.role}", size=9, quiet=True, after=3)
    signature = place.signature
    if signature is None:
        sheet.put("Not signed.", size=10.5, after=2)
        return
    sheet.put(signature.signer_name, size=15, after=2)
    sheet.beside("Signed", moment(signature.signed_at), size=8.5)
    sheet.beside("Key", signature.key_id, size=8.5)
    sheet.beside("Custody of the key", _CUSTODY[signature.custody], size=8.5)
    if signature.origin:
        sheet.beside("Origin of the key", signature.origin, size=8.5)
    sheet.beside("Digest signed", signature.document_digest, size=8.5)


def _checking(sheet: Sheet, paper: AgreementPaper) -> None:
    sheet.add_page()
    sheet.put("How to check this document", size=16, bold=True, after=4)
    sheet.put(
        "This PDF is a reading copy. Anybody can make a page that looks like it, so it proves nothing by itself; what "
        "proves the agreement is its bundle, one file with the text that was signed, both parties’ signatures, their "
        "keys, and evidence from the portal’s log.",
        align="J",
        after=5,
    )
    steps = (
        (
            "Take the bundle from the agreement’s page at the portal, or from whoever gave you this document: "
            f"{paper.agreement_id}.zip."
        ),
        "Take the key of the portal’s log from a source that you trust, not from the bundle.",
        f"Without any network, run:\nconcordat verify {paper.agreement_id}.zip --vkey LOG_KEY",
        (
            "Compare the digest that it prints with the one below. If the two are the same, the text in the bundle is "
            "the text that was signed: agreement.json. The PDF in it is the lab’s own rendering, signed by the lab."
        ),
    )
    for number, step in enumerate(steps, start=1):
        sheet.step(f"{number}.", step)
    sheet.rule(3)
    sheet.beside("Agreement", f"{paper.agreement_id}, version {paper.version}")
    sheet.beside("Digest (SHA-256)", paper.digest or "none: a draft may still change")
    sheet.rule(3)
    sheet.put(
        "The digest is the SHA-256 of agreement.json in the bundle: the agreement as canonical JSON (RFC 8785). The "
        "README in the bundle says how to check everything with other software. A character that the typeface of this "
        "PDF lacks stands here as its code point, like [U+4E2D]; agreement.json has it as it was written.",
        size=9,
        quiet=True,
        align="J",
    )
