"""E-mail addresses, each of one person at a time: clauses name people by them, so that nobody may take another's."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from agreements.actors import Actor
from agreements.canonical import sha256_hex
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict


class Address(Value):
    """Current state of one address."""

    holder_id: str = ""
    """The person whose address it is; empty when it is nobody's."""


class AddressTaken(Event, type="address:taken"):
    """The address is this person's from now on."""

    person_id: str
    at: datetime


class AddressFreed(Event, type="address:freed"):
    """The address is nobody's; what its holder did stays theirs."""

    person_id: str
    at: datetime


class TakeAddress(Value):
    """Make an address a person's. ``held_before``: somebody has held it since before addresses were kept here."""

    person_id: str
    held_before: bool = False


class FreeAddress(Value):
    """Let go of a person's address; nothing happens where it is not theirs."""

    person_id: str


AddressCommand = TakeAddress | FreeAddress


def address_id(email: str) -> str:
    """Under which id an address is kept: a digest, equal for all spellings that readers or clauses take for one."""
    return sha256_hex(unicodedata.normalize("NFKC", email.casefold()).encode())


def decide(state: Address, command: AddressCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Conflict ``address_taken``. Who may ask is the person's rule."""
    match command:
        case TakeAddress():
            if state.holder_id == command.person_id:
                return []
            if state.holder_id or command.held_before:
                raise Conflict(
                    "address_taken",
                    "Somebody else is registered under this e-mail address.",
                    hint="Each person has an address of their own: agreements name people by it.",
                    param="email",
                )
            return [AddressTaken(person_id=command.person_id, at=now)]
        case FreeAddress():
            return [AddressFreed(person_id=command.person_id, at=now)] if state.holder_id == command.person_id else []


def evolve(state: Address, event: Event) -> Address:
    """Fold one event into the state."""
    match event:
        case AddressTaken():
            return Address(holder_id=event.person_id)
        case AddressFreed():
            return Address()
        case _:
            raise TypeError(f"an address has no event {event.type_name!r}")


ADDRESS: Decider[Address, AddressCommand] = Decider(category="address", initial=Address(), decide=decide, evolve=evolve)
