"""What only the operator does, from the portal's own machine."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from agreements.actors import Channel
from agreements.deciders import Value
from agreements.errors import Fixer, Forbidden, Invalid
from portal.api.auth import Signed, ThePortal
from portal.archive import Content, write_backup
from portal.services.clockwork import Ticked

router = APIRouter(prefix="/operator", tags=["operator"])


class NewBackup(Value):
    """Where on the portal's machine to write it, and whether the weights go in."""

    file: Annotated[str, Field(min_length=1, max_length=4000)]
    with_checkpoints: bool = True


@router.post("/tick", summary="Carry out what the time has brought")
def tick(portal: ThePortal, actor: Signed) -> Ticked:
    """What the running portal does by itself every few minutes, now: reminders, late duties, appeals, deliveries."""
    if not (actor.is_coordinator and actor.channel is Channel.CLI):
        raise Forbidden(
            "operator_only",
            "Only the portal's operator winds its clockwork.",
            hint="Run 'concordat tick' on the portal's machine, as the account that runs it.",
            fixer=Fixer.OPERATOR,
        )
    return portal.clockwork.tick()


@router.post("/backup", status_code=201, summary="Back up the running portal")
def make_backup(portal: ThePortal, actor: Signed, body: NewBackup) -> Content:
    """For the operator's own credential, which only the account that runs the portal can read."""
    if actor.channel is not Channel.CLI:
        raise Forbidden(
            "operator_only",
            "Only the portal's operator makes backups.",
            hint="Run 'concordat backup FILE' on the portal's machine, as the account that runs it.",
            fixer=Fixer.OPERATOR,
        )
    target = Path(body.file)
    if not target.is_absolute() or not target.parent.is_dir():
        raise Invalid("bad_backup_path", "The file has to lie in a folder that exists.", param="file")
    return write_backup(portal, target, with_checkpoints=body.with_checkpoints)
