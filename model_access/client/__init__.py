"""For those who query a portal from outside: proof of possession for access tokens that are bound to a key."""

from model_access.client.dpop import DPoPAuth, DPoPKey

__all__ = ["DPoPAuth", "DPoPKey"]
