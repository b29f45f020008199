"""Limits on sampling and on hours, of a grant or of a token: the same rule and the same words for both."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce

from agreements.access.answers import AskedSampling, Denied
from agreements.errors import Fixer
from agreements.limits import Hours, Sampling, sampling_meet


def sampling_beyond_limits(asked: AskedSampling | None, limits: Sampling | None, whose: str) -> Denied | None:
    """How a request samples in which it goes beyond ``limits``; nothing where there is no request yet."""
    if asked is None or limits is None:
        return None
    for dimension, wanted, allowed in (
        ("max_tokens", asked.max_tokens, limits.max_tokens),
        ("choices", asked.choices, limits.choices),
        ("top_logprobs", asked.top_logprobs, limits.top_logprobs),
        ("temperature", asked.temperature, limits.max_temperature),
    ):
        if allowed is not None and wanted > allowed:
            return Denied(
                code="sampling_not_granted",
                message=f"{dimension} {wanted:g} is more than {allowed:g}, the limit of {whose}.",
                hint=f"Ask for {dimension} of at most {allowed:g}.",
                fixer=Fixer.CALLER,
            )
    return None


def together(limits: Iterable[Sampling | None]) -> Sampling | None:
    """The limits on sampling that hold where all of these do."""
    return reduce(sampling_meet, limits, None)


def outside_hours(hours: Hours | None, now: datetime, whose: str) -> Denied | None:
    """It is not an hour at which requests are taken; ``whose`` the hours are, as a sentence names it."""
    if hours is None or hours.open_at(now):
        return None
    return Denied(
        code="outside_hours",
        message=f"{whose[:1].upper()}{whose[1:]} takes requests {hours}.",
        hint=f"It takes them again from {hours.next_opening(now):%Y-%m-%d %H:%M} UTC.",
        fixer=Fixer.NOBODY,
    )
