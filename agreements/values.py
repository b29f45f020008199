"""What every value is made of: frozen, strict, and with bytes that do not change when a field is added."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """Base of states, commands and other values: frozen, and nothing unknown gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def later(**constraints: Any) -> Any:
    """An optional field that came after values with signed or hashed bytes had been recorded.

    It is left out of the dumped value while it says nothing, so that the bytes from before it existed stay the same.
    """
    return Field(default=None, exclude_if=lambda value: value is None, **constraints)
