"""The screens, and who gets which: the one source of the menu, of links between screens and of their gates.

A menu is presentation. Every service call authorises by itself, so that a screen somebody opens by its address shows
and does no more than its services allow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from agreements.actors import Actor, Role
from portal.pages.shown_once import leave
from portal.standing import CONTRIBUTING

_OPEN = "menu.open"
_CURRENT = "menu.current"


def _everyone(_actor: Actor) -> bool:
    return True


def holds(actor: Actor, roles: Sequence[Role]) -> bool:
    """Whether the actor has any of the roles anywhere."""
    return any(membership.role in roles for membership in actor.memberships)


def _contributors(actor: Actor) -> bool:
    return holds(actor, CONTRIBUTING)


def _parties(actor: Actor) -> bool:
    return holds(actor, (Role.COORDINATOR, Role.PARTNER_LEAD, Role.PARTNER_MEMBER))


def _registrars(actor: Actor) -> bool:
    return holds(actor, (Role.COORDINATOR, Role.PARTNER_LEAD))


def _coordinators(actor: Actor) -> bool:
    return actor.is_coordinator


@dataclass(frozen=True)
class Screen:
    """One screen. ``name`` is its file, its address and how other screens link to it."""

    name: str
    title: str
    icon: str
    section: str
    open_to: Callable[[Actor], bool] = _everyone


HOME = Screen("home", "Home", "home", "")

SCREENS = (
    HOME,
    Screen("notices", "Notices", "notifications", ""),
    Screen("playground", "Playground", "experiment", "Access", _contributors),
    Screen("runs", "Runs", "receipt_long", "Access", _contributors),
    Screen("batches", "Batches", "stacks", "Access", _contributors),
    Screen("usage", "Usage", "monitoring", "Access"),
    Screen("access_log", "Access log", "manage_search", "Access"),
    Screen("checkpoints", "Checkpoints", "deployed_code", "Access"),
    Screen("explain", "Why?", "help", "Access"),
    Screen("agreements", "Agreements", "contract", "Access", _parties),
    Screen("duties", "Duties", "event_repeat", "Access", _parties),
    Screen("requests", "Requests", "approval", "Access", _parties),
    Screen("grants", "Grants", "key", "Access", _contributors),
    Screen("tokens", "Tokens", "vpn_key", "Access", _contributors),
    Screen("workers", "Workers", "dns", "Access", _coordinators),
    Screen("revocations", "Revocations", "timer", "Access", _coordinators),
    Screen("templates", "Templates", "contract_edit", "Access", _coordinators),
    Screen("publications", "Publications", "newspaper", "Access", _parties),
    Screen("file_finding", "File a finding", "edit_document", "Evidence", _contributors),
    Screen("findings", "Findings", "lab_profile", "Evidence"),
    Screen("norms", "Norms", "balance", "Decisions"),
    Screen("release", "Release board", "stairs", "Decisions"),
    Screen("transparency", "Log", "account_tree", "Decisions"),
    Screen("passports", "Passports", "badge", "People", _parties),
    Screen("institutions", "Institutions", "domain", "People", _registrars),
    Screen("people", "People", "group", "People", _registrars),
    Screen("sign_in_methods", "Sign-in methods", "login", "People", _registrars),
    Screen("sessions", "My sessions", "devices", "People"),
)


def path_of(name: str) -> str:
    """The file of a screen, as Streamlit names it: relative to the entry script."""
    return f"screens/{name}.py"


def address_of(name: str) -> str:
    """The last part of a screen's address."""
    return name.replace("_", "-")


def pages_for(actor: Actor) -> dict[str, list[Any]]:
    """The actor's menu by section, for ``st.navigation``, remembered for ``may_open``."""
    mine = [screen for screen in SCREENS if screen.open_to(actor)]
    st.session_state[_OPEN] = frozenset(screen.name for screen in mine)
    sections: dict[str, list[Any]] = {}
    for screen in mine:
        page = st.Page(
            path_of(screen.name),
            title=screen.title,
            icon=f":material/{screen.icon}:",
            url_path="" if screen is HOME else address_of(screen.name),
            default=screen is HOME,
        )
        sections.setdefault(screen.section, []).append(page)
    return sections


def enter(page: Any) -> None:
    """Remember which screen this run draws; what another one showed once is gone."""
    if st.session_state.get(_CURRENT) not in (None, page.url_path):
        leave()
    st.session_state[_CURRENT] = page.url_path


def current() -> str:
    """The name of the screen that this run draws."""
    address = st.session_state.get(_CURRENT, "")
    return next((screen.name for screen in SCREENS if address_of(screen.name) == address), HOME.name)


def may_open(name: str) -> bool:
    """Whether the screen is in the menu of whoever this run draws for."""
    return name in st.session_state.get(_OPEN, frozenset())
