"""Scopes: a child within its parent, dimension by dimension."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.canonical import canonical_bytes
from agreements.scopes import Operation, Scope, excesses
from tests.agreements.parties import NOW

NAMES = st.sampled_from(["a", "b", "c", "family/*"])
SCOPES = st.builds(
    Scope,
    checkpoints=st.frozensets(NAMES, min_size=1),
    operations=st.frozensets(st.sampled_from(Operation), min_size=1),
    purposes=st.frozensets(NAMES, min_size=1),
    token_budget=st.integers(1, 5),
    requests_per_minute=st.integers(1, 5),
    expires_at=st.integers(1, 5).map(lambda days: NOW + timedelta(days=days)),
)


@given(SCOPES)
def test_a_scope_lies_within_itself(scope: Scope) -> None:
    assert excesses(scope, scope) == ()


@given(SCOPES, SCOPES, SCOPES)
def test_lying_within_is_transitive(a: Scope, b: Scope, c: Scope) -> None:
    if not excesses(a, b) and not excesses(b, c):
        assert not excesses(a, c)


@given(SCOPES, SCOPES)
def test_mutual_containment_is_equality(a: Scope, b: Scope) -> None:
    assert (not excesses(a, b) and not excesses(b, a)) == (a == b)


@given(SCOPES, SCOPES)
def test_every_wider_dimension_is_named(child: Scope, parent: Scope) -> None:
    named = {excess.dimension for excess in excesses(child, parent)}
    wider = {
        "checkpoints": not child.checkpoints <= parent.checkpoints,
        "operations": not child.operations <= parent.operations,
        "purposes": not child.purposes <= parent.purposes,
        "token_budget": child.token_budget > parent.token_budget,
        "requests_per_minute": child.requests_per_minute > parent.requests_per_minute,
        "expires_at": child.expires_at > parent.expires_at,
    }
    assert named == {dimension for dimension, is_wider in wider.items() if is_wider}


@given(SCOPES)
def test_canonical_bytes_do_not_depend_on_set_order(scope: Scope) -> None:
    again = Scope.model_validate(scope.model_dump(mode="json"))
    assert canonical_bytes(again.model_dump(mode="json")) == canonical_bytes(scope.model_dump(mode="json"))


def _ending(moment: datetime) -> Scope:
    return Scope(
        checkpoints=frozenset({"a"}),
        operations=frozenset({Operation.GENERATE}),
        purposes=frozenset({"a"}),
        token_budget=1,
        requests_per_minute=1,
        expires_at=moment,
    )


def test_the_end_of_a_scope_is_kept_in_utc() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert _ending(elsewhere).expires_at.utcoffset() == timedelta()
    assert _ending(elsewhere) == _ending(NOW)


@pytest.mark.parametrize(
    "moment", [NOW.replace(tzinfo=None), datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))]
)
def test_a_moment_that_is_none_is_refused(moment: datetime) -> None:
    with pytest.raises(ValidationError):
        _ending(moment)
