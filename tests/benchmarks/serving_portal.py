"""The portal that ``serving`` measures: four institutions, each with an agreement, a grant and a token of its own."""

import json
import sys
from pathlib import Path

import uvicorn

from agreements.actors import Actor, Channel, Role
from agreements.institutions import Constituency
from agreements.scopes import Operation
from portal.api.root import create_app
from portal.composition import Portal
from portal.config import load

CHECKPOINT = "served"
INSTITUTIONS = ("north", "east", "south", "west")


def made(folder: Path, checkpoint: Path) -> tuple[Portal, dict[str, str]]:
    """The portal, and a token by institution."""
    portal, coordinator = Portal.create(
        load(folder / "data", demo=True), coordinator_name="Ada Coordinator", coordinator_email="ada@lab.example"
    )
    ada = coordinator.actor(Channel.CLI)
    portal.checkpoints.add(ada, checkpoint, checkpoint_id=CHECKPOINT, family="ladder")
    return portal, {name: _token(portal, coordinator.actor(Channel.CLI), name) for name in INSTITUTIONS}


def _token(portal: Portal, ada: Actor, name: str) -> str:
    portal.institutions.register(
        ada,
        institution_id=name,
        name=f"{name.title()} University",
        constituency=Constituency.ACADEMIA,
        contact_email=f"office@{name}.example",
    )
    lead = portal.people.register(
        ada, name=f"{name.title()} Lead", email=f"lead@{name}.example", memberships=[(name, Role.PARTNER_LEAD)]
    )
    ben = lead.actor(Channel.CLI)
    portal.institutions.create_key(ben, name)
    clauses = [clause.model_dump(mode="json") for clause in portal.agreements.templates()[0].clauses]
    for clause in clauses:
        if clause["kind"] == "permitted_uses":
            clause.update(checkpoints=[CHECKPOINT], operations=[Operation.GENERATE], purposes=["bias-analysis"])
        if clause["kind"] == "usage_limits":
            clause.update(token_budget=10**9, requests_per_minute=10**5)
    draft = portal.agreements.draft(ada, institution_id=name, clauses=clauses)
    digest = portal.agreements.offer(ada, draft.id).document_digest or ""
    portal.agreements.sign(ben, draft.id, typed_name=lead.name, document_digest=digest)
    portal.agreements.sign(ada, draft.id, typed_name=ada.name, document_digest=digest)
    grant = portal.grants.issue(ada, agreement_id=draft.id, label="Benchmark")
    return portal.tokens.issue(ben, label="benchmark", grant_id=grant.id, purpose="bias-analysis").token


def main(port: int, folder: Path, checkpoint: Path, tokens: Path) -> None:
    """Serve until told to stop; the tokens are written down before."""
    portal, issued = made(folder, checkpoint)
    with portal:
        tokens.write_text(json.dumps(issued), encoding="utf-8")
        app = create_app(portal, with_screens=False)
        uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:5]))
