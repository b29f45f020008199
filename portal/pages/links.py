"""Addresses outside the screens: files that the HTTP API hands out after it has authorised the reader.

``st.download_button`` would put the bytes at an address that opens for every signed-in person who has it.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def receipt(run_id: str) -> str:
    """The signed receipt of a run."""
    return f"/api/runs/{quote(run_id, safe='')}/receipt"


def kept_texts(run_id: str) -> str:
    """What is kept of a run, for whoever may read it."""
    return f"/api/runs/{quote(run_id, safe='')}/kept/texts"


def batch_results(batch_id: str, file_format: str, what: str) -> str:
    """The answers of a batch or what failed of it, for who submitted it."""
    return f"/api/batches/{quote(batch_id, safe='')}/results?{urlencode({'format': file_format, 'what': what})}"


def agreement(agreement_id: str) -> str:
    """The signed agreement with every signature."""
    return f"/api/agreements/{quote(agreement_id, safe='')}/export"


def agreement_version(agreement_id: str, number: int) -> str:
    """The document of one version, signed or to be signed."""
    return f"/api/agreements/{quote(agreement_id, safe='')}/versions/{number}/export"


def agreement_pdf(agreement_id: str, number: int | None = None) -> str:
    """The agreement to read, as PDF; by default the version it stands for."""
    version = "" if number is None else f"?version={number}"
    return f"/api/agreements/{quote(agreement_id, safe='')}/document.pdf{version}"


def agreement_bundle(agreement_id: str) -> str:
    """Every version that was in force, with what proves it, in one file."""
    return f"/api/agreements/{quote(agreement_id, safe='')}/bundle"


def finding(finding_id: str) -> str:
    """The current version of a finding, signed by the lab."""
    return f"/api/findings/{quote(finding_id, safe='')}/export"


def decision(decision_id: str) -> str:
    """A release decision, signed by the lab."""
    return f"/api/release/decisions/{quote(decision_id, safe='')}/export"


def publication(publication_id: str) -> str:
    """The clearance letter of a publication, signed by the lab."""
    return f"/api/publications/{quote(publication_id, safe='')}/letter"


def calendar(*, institution: str = "", agreement: str = "") -> str:
    """Everything with a date that the reader may see, as iCalendar; of one institution or agreement if asked for."""
    asked = {name: value for name, value in (("institution", institution), ("agreement", agreement)) if value}
    return "/api/duties/calendar.ics" + (f"?{urlencode(asked)}" if asked else "")


def usage(asked: Mapping[str, str], file_format: str) -> str:
    """The numbers of a usage report, as asked for."""
    return f"/api/usage?{urlencode({**asked, 'format': file_format})}"


def access_log(asked: Mapping[str, str], file_format: str) -> str:
    """The whole of an access log, as asked for."""
    return f"/api/access/log?{urlencode({**asked, 'format': file_format})}"


def access_evidence(leaf: int) -> str:
    """The proof that an entry of the access log is in the transparency log."""
    return f"/api/access/log/{leaf}/evidence"


def passport(institution_id: str) -> str:
    """What of an institution's vetting is valid now, signed by the lab."""
    return f"/api/passports/{quote(institution_id, safe='')}/export"


def people(**filters: str) -> str:
    """The list of people as CSV, narrowed as on the screen."""
    asked = {name: value for name, value in filters.items() if value}
    return "/api/people/list.csv" + (f"?{urlencode(asked)}" if asked else "")


def revocations() -> str:
    """How fast revocations took effect, as CSV."""
    return "/api/access/revocations.csv"


def evidence(position: int) -> str:
    """The proof that an entry is in the log."""
    return f"/api/log/entries/{position}/evidence"
