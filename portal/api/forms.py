"""HTML forms and OAuth's form bodies, read strictly."""

from urllib.parse import parse_qs

from starlette.requests import Request

from agreements.errors import Invalid

_MAX_FIELDS = 20


async def read_form(request: Request, *, required: str) -> dict[str, str]:
    """The fields of an urlencoded body. Raises Invalid ``bad_form`` or, without ``required``, ``missing_field``."""
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise Invalid("bad_form", "The form cannot be read.") from None
    if any(len(values) > 1 for values in fields.values()):
        raise Invalid("bad_form", "A field of the form is given twice.")
    if required not in fields:
        raise Invalid("missing_field", f"The form has no field {required}.", param=required)
    return {name: values[0] for name, values in fields.items()}
