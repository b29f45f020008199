"""For those who query a portal from outside: tokens that are bound to a key, and programs that ask for their own."""

from model_access.client.dpop import DPoPAuth, DPoPKey
from model_access.client.program import ProgramKey

__all__ = ["DPoPAuth", "DPoPKey", "ProgramKey"]
