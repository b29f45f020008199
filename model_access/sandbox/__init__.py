"""Isolation of model workers: what the machine offers, and starting a process inside it."""

from model_access.sandbox.attempts import Attempt, self_test
from model_access.sandbox.capabilities import detect
from model_access.sandbox.launcher import launch
from model_access.sandbox.profile import (
    LANDLOCK,
    UNSAFE,
    SandboxCapabilities,
    SandboxProfile,
    bubblewrap_profile,
    choose,
)

__all__ = [
    "LANDLOCK",
    "UNSAFE",
    "Attempt",
    "SandboxCapabilities",
    "SandboxProfile",
    "bubblewrap_profile",
    "choose",
    "detect",
    "launch",
    "self_test",
]
