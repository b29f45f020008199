"""The keys of a bundle's parties as the log tells of them: they rest on the log, not on who made the file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from agreements.actors import PartyKind
from agreements.bundle.checking import LoggedEntry
from agreements.bundle.contents import KEYS, KeyRecord, RegisteredKey
from agreements.deciders import Event
from agreements.errors import Invalid, VerificationError
from agreements.institutions import INSTITUTION, InstitutionKeyRegistered, InstitutionKeyRevoked

E = TypeVar("E", bound=Event)


def keys_told(events: Iterable[Event]) -> tuple[RegisteredKey, ...]:
    """The keys that events of an institution leave, in the order of registration; other events tell of none.

    Raises VerificationError ``keys_differ`` where a key comes twice, or is revoked before it is there.
    """
    keys: dict[str, RegisteredKey] = {}
    for event in events:
        match event:
            case InstitutionKeyRegistered() if event.public_key not in keys:
                keys[event.public_key] = RegisteredKey(
                    public_key=event.public_key,
                    custody=event.custody,
                    proof=event.proof,
                    registered_at=event.at,
                    registered_by=event.by,
                    succession=event.succession,
                    handed_over_by=event.handed_over_by,
                    allowed_by=event.allowed_by,
                )
            case InstitutionKeyRevoked() if event.public_key in keys:
                keys[event.public_key] = keys[event.public_key].model_copy(update={"revoked_at": event.at})
            case InstitutionKeyRegistered() | InstitutionKeyRevoked():
                raise _differ("what the log tells of a key does not fit together")
    return tuple(keys.values())


def keys_logged(keys: KeyRecord, entries: Sequence[LoggedEntry]) -> bool:
    """Whether the log tells of the keys: exactly of those in ``keys``, or of none at all.

    Bundles had no such evidence at first. Raises VerificationError ``keys_differ`` or Invalid ``bad_entry``.
    """
    streams = [INSTITUTION.stream(keys.owner(party).id) for party in PartyKind]
    if not any(entry.stream in streams for entry in entries):
        return False
    for party, stream in zip(PartyKind, streams, strict=True):
        told = keys_told(_event(entry) for entry in entries if entry.stream == stream)
        if told != keys.owner(party).keys:
            raise _differ(f"the keys of the {party.value} are not those that the log tells of")
    return True


def _event(entry: LoggedEntry) -> Event:
    match entry.type:
        case InstitutionKeyRegistered.type_name:
            return _read(InstitutionKeyRegistered, entry.body)
        case InstitutionKeyRevoked.type_name:
            return _read(InstitutionKeyRevoked, entry.body)
        case _:
            raise Invalid("bad_entry", f"{entry.part}: the entry is not about a key.", param=entry.part)


def _read(kind: type[E], body: Mapping[str, Any]) -> E:
    try:
        # What later portals add to an event says nothing that is checked here.
        return kind.model_validate({name: body[name] for name in kind.model_fields if name in body})
    except ValidationError:
        raise Invalid("bad_entry", f"The log's entry is no {kind.type_name}.", param=KEYS) from None


def _differ(what: str) -> VerificationError:
    return VerificationError("keys_differ", f"{KEYS}: {what}.", param=KEYS)
