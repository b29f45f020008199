"""DSSE payload types of what the portal signs, by themselves so that a verifier needs nothing else of the portal."""

from typing import Final

FINDING: Final = "application/vnd.concordat.finding+json"
NORM_POSITION: Final = "application/vnd.concordat.norm-position+json"
RELEASE_DECISION: Final = "application/vnd.concordat.release-decision+json"
