"""The page of one checkpoint: its card."""

import streamlit as st

from agreements.access import Allowed, Basis, Denied
from agreements.actors import Actor
from agreements.errors import ConcordatError, Fixer
from model_access.manifest import Manifest
from model_access.model_facts import ModelFacts
from model_access.registry import Checkpoint
from model_access.stages import Stage
from portal.findings.reads import FindingRow
from portal.pages.context import now, portal
from portal.pages.parts import copyable, empty, fields, go, heading, marking, row, status
from portal.pages.reach import Reach, reach_of
from portal.pages.supplied import supplied
from portal.pages.words import count, literal, plain, when
from portal.pages.worker_view import halt_switch
from portal.pages.writing import refused
from portal.services.model_cards import ModelCard

WHO = {
    Stage.WITHHELD: "The lab, and institutions whose grant names this very checkpoint.",
    Stage.PARTNER_ACCESS: "Also every institution whose grant covers its family.",
    Stage.PUBLIC: "Everyone who is signed in, within the portal's public limits.",
    Stage.RETIRED: "Nobody any more.",
}

BASES = {
    Basis.GRANT: "under your institution's grant",
    Basis.PUBLIC: "because it is public",
    Basis.LAB: "as a coordinator of the lab",
}

_FORMATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I8": "int8", "U8": "uint8"}


def access(reach: Reach) -> None:
    """Whether the reader may query it, and if not, why and who can change that."""
    answer = reach.answer
    if reach.open and isinstance(answer, Allowed):
        st.markdown(f":material/check_circle: You may query it {BASES[answer.basis]}.")
        with row():
            go("Open in the playground", "playground", icon="experiment", checkpoint=reach.checkpoint.id)
            go("Why?", "explain", icon="help", checkpoint=reach.checkpoint.id, purpose=answer.purpose)
        return
    if isinstance(answer, Denied):
        fixer = (
            "" if answer.fixer is Fixer.NOBODY else f" **{literal(answer.fixer.value.capitalize())}** can clear this."
        )
        st.markdown(f":material/lock: {literal(answer.message)} {literal(answer.hint)}{fixer}")
        go("Why?", "explain", icon="help", checkpoint=reach.checkpoint.id)


def halted(actor: Actor, checkpoint: Checkpoint) -> None:
    """That it is halted, by whom and why; for coordinators the switch."""
    if checkpoint.halt is not None:
        st.badge("halted", icon=":material/front_hand:", color="red")
        who = portal().people.name(checkpoint.halt.by)
        st.caption(f"By {literal(who)}, {when(checkpoint.halt.at, now())}: {literal(checkpoint.halt.reason)}")
    if actor.is_coordinator:
        halt_switch(portal(), actor, checkpoint)


def model_card(actor: Actor, checkpoint_id: str) -> None:
    """The whole card, or why there is none."""
    go("All checkpoints", "checkpoints", icon="arrow_back")
    try:
        card = portal().model_cards.card(actor, checkpoint_id)
    except ConcordatError as refusal:
        heading("Checkpoint")
        refused(refusal)
        return
    checkpoint, manifest = card.checkpoint, card.checkpoint.manifest
    heading(literal(checkpoint.id))
    with row():
        status(checkpoint.stage)
        st.caption(f"family {literal(checkpoint.family)}, registered {when(checkpoint.registered_at, now())}")
    if checkpoint.card.summary:
        st.markdown(literal(checkpoint.card.summary))
    halted(actor, checkpoint)
    _reached(actor, card)
    if manifest is not None:
        _facts(card, manifest)
    _release(card)
    _used(card)
    _found(card)
    _supplied(card)
    if manifest is not None:
        _files(card, manifest)


def _reached(actor: Actor, card: ModelCard) -> None:
    st.header("Who can reach it", anchor=False)
    st.markdown(WHO[card.checkpoint.stage])
    reach = next((one for one in reach_of(portal(), actor) if one.checkpoint.id == card.checkpoint.id), None)
    if reach is not None:
        access(reach)
    if card.reached_by is None:
        return
    grants = sum(one.grants for one in card.reached_by)
    if not grants:
        st.caption("No active grant reaches it.")
        return
    st.caption(f"{count(grants, 'active grant')} of {count(len(card.reached_by), 'institution')} at this stage")
    for one in card.reached_by:
        with row():
            st.markdown(f"**{literal(one.name)}**: {count(one.grants, 'grant')}")
            for grant_id in one.grant_ids[:5]:
                go(grant_id, "grants", icon="key", grant=grant_id)


def _facts(card: ModelCard, manifest: Manifest) -> None:
    st.header("What it is", anchor=False)
    described, facts = card.checkpoint.card, card.facts
    unsaid = "its files do not say"
    pairs = [("Architecture", literal(manifest.architecture)), ("Parameters", f"{manifest.parameters:,}")]
    if facts is not None:
        pairs += [
            ("Layers", f"{facts.layers:,}" if facts.layers else unsaid),
            ("Attention heads", f"{facts.heads:,}" if facts.heads else unsaid),
        ]
    pairs += [
        ("Width", f"{manifest.hidden_size:,}"),
        ("Context", f"{manifest.context_length:,} tokens"),
        ("Vocabulary", f"{manifest.vocabulary_size:,} tokens"),
    ]
    if facts is not None:
        pairs += [
            ("Stored as", _stored(facts)),
            ("Tokenizer", _tokenizer(facts)),
            ("Conversations", "yes, it has a chat template" if facts.chat else "no chat template: prompts only"),
        ]
    pairs += [
        ("Computed here in", f"`{card.precision}`"),
        ("Size on disk", f"{card.size_bytes / 2**20:,.1f} MiB, weights {card.weight_bytes / 2**20:,.1f} MiB"),
    ]
    if described.held_out_loss is not None:
        pairs.append(("Held-out loss", f"{described.held_out_loss:.3f} nats a token"))
    if described.bits_per_byte is not None:
        pairs.append(("Bits per byte", f"{described.bits_per_byte:.3f}"))
    pairs.append(("Licence", literal(described.licence) or "none was named"))
    if described.source:
        pairs.append(("Source", literal(described.source)))
    fields(pairs)
    if facts is None:
        st.caption("Layers, formats and tokenizer cannot be told: the files are not on this machine.")


def _stored(facts: ModelFacts) -> str:
    whole = sum(one.numbers for one in facts.stored) or 1
    said = [
        (
            f"`{_FORMATS.get(one.name, one.name)}`"
            if one.numbers == whole
            else f"`{_FORMATS.get(one.name, one.name)}` ({one.numbers / whole:.0%})"
        )
        for one in facts.stored
    ]
    return ", ".join(said)


def _tokenizer(facts: ModelFacts) -> str:
    tokenizer = facts.tokenizer
    special = f", special: {literal(', '.join(tokenizer.special))}" if tokenizer.special else ""
    return f"{literal(tokenizer.kind) or 'of no named kind'}, {tokenizer.entries:,} entries{special}"


def _release(card: ModelCard) -> None:
    st.header("Staged release", anchor=False)
    stages = list(Stage)
    place = stages.index(card.checkpoint.stage)
    steps = [f"**{stage.label}**" if number == place else stage.label for number, stage in enumerate(stages)]
    st.markdown(" → ".join(steps))
    with row():
        go("The release board", "release", icon="stairs")
        for decision_id in card.checkpoint.decision_ids:
            go(decision_id, "release", icon="gavel", decision=decision_id)


def _used(card: ModelCard) -> None:
    st.header("Use", anchor=False)
    used = card.usage
    if not used.runs:
        st.markdown(f"No run that you may see since {card.usage_since:%Y-%m-%d}.")
    else:
        st.markdown(
            f"{count(used.runs, 'run')} that you may see since {card.usage_since:%Y-%m-%d}: {used.completed:,} "
            f"completed, {used.failed:,} failed, {used.charged_tokens:,} tokens charged, "
            f"{count(used.people, 'person', 'people')}."
        )
    go("Usage", "usage", icon="monitoring")


def _found(card: ModelCard) -> None:
    st.header("Known findings", anchor=False)
    if not card.findings:
        empty("No finding about it that you may read.", screen="file_finding", label="File one", icon="search_insights")
        return
    for one in card.findings:
        _finding(one)
    if card.finding_count > len(card.findings):
        st.caption(f"The newest {len(card.findings)} of {card.finding_count:,}.")
        go("All findings", "findings", icon="search_insights")


def _finding(one: FindingRow) -> None:
    with row():
        marking(one.marking)
        go(f"{one.finding_id}: {literal(one.title)}", "findings", icon="search_insights", finding=one.finding_id)
        st.badge(one.kind.label, color="gray")


def _supplied(card: ModelCard) -> None:
    described = card.checkpoint.card
    if not (described.readme or described.licence_text):
        return
    st.header("From its makers", anchor=False)
    st.caption("As it lay beside the files, not checked by the lab. Links and pictures are shown as text.")
    if described.readme:
        with st.expander("Read-me", icon=":material/description:"):
            supplied(described.readme)
    if described.licence_text:
        with st.expander("Licence", icon=":material/gavel:"):
            st.code(plain(described.licence_text), language=None, wrap_lines=True)


def _files(card: ModelCard, manifest: Manifest) -> None:
    st.header("Files", anchor=False)
    copyable(
        "Manifest digest: grants, receipts and workers name it, and a worker refuses files that differ", card.digest
    )
    st.dataframe(
        [
            {"File": entry.name, "Bytes": entry.size, "SHA-256": entry.sha256}
            for entry in sorted(manifest.files, key=lambda one: one.name)
        ],
        hide_index=True,
        column_config={"Bytes": st.column_config.NumberColumn(format="localized")},
    )
