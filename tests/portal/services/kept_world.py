"""Runs whose words an agreement keeps."""

from typing import Any

from tests.portal.services.world import LEADS, PURPOSE, World, ask

SECRET = "the heron waits at the lock"
"""A prompt that is nowhere else."""
ANSWER = (" zebra", " quill", " amber", " fjord")


def keeping(world: World, institution: str = "north", **said: Any) -> str:
    """A grant under an agreement whose confidentiality clause also says that."""
    clauses = [clause.model_dump(mode="json") for clause in world.portal.agreements.templates()[0].clauses]
    for clause in clauses:
        if clause["kind"] == "confidentiality":
            clause.update(said)
    ada, lead = world.actor("ada"), world.actor(LEADS[institution])
    agreements = world.portal.agreements
    draft = agreements.draft(ada, institution_id=institution, clauses=clauses)
    digest = agreements.offer(ada, draft.id).document_digest or ""
    agreements.sign(lead, draft.id, typed_name=lead.name, document_digest=digest)
    agreements.sign(ada, draft.id, typed_name=ada.name, document_digest=digest)
    return world.portal.grants.issue(ada, agreement_id=draft.id, label="A study").id


def kept_run(world: World, name: str = "cleo", words: str = SECRET) -> str:
    """A run that was made."""
    world.pool.words = ANSWER
    run = world.portal.runs.begin(world.actor(name), "ladder-l", ask(words), purpose=PURPOSE)
    run.result()
    return run.run_id


def lying(world: World) -> list[bytes]:
    """Every file of the portal's folder, the database and its log ahead included; the folder of private keys too."""
    return [path.read_bytes() for path in sorted(world.settings.data_dir.rglob("*")) if path.is_file()]


def said_anywhere(world: World) -> list[str]:
    """Of the words of the run, those that lie anywhere in clear."""
    needles = [SECRET, *SECRET.split()[1:2], *(word.strip() for word in ANSWER)]
    return [one for one in needles if any(one.encode() in content for content in lying(world))]
