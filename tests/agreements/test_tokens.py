"""Access tokens: what is ours and in time decodes, and everything else is refused by our own error."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Unauthenticated
from agreements.keys import SigningKey
from agreements.tokens import TOKEN_PREFIX, AccessClaims, ActingParty, AuthorizationDetails, Limits, TokenIssuer
from tests.agreements.parties import NOW
from tests.token_attacks import attacks, signed

KEY = SigningKey.generate()
ISSUER = TokenIssuer(KEY, issuer="https://portal.example", audience="concordat", known_as=("portal",))
CLAIMS = AccessClaims(
    iss="https://portal.example",
    aud="concordat",
    sub="per_ada",
    client_id="per_ada",
    iat=int(NOW.timestamp()),
    exp=int((NOW + timedelta(hours=1)).timestamp()),
    jti="tok_0123456789",
    authorization_details=(AuthorizationDetails(grant_id="grt_x", purpose="bias-analysis"),),
)
TOKEN = ISSUER.encode(CLAIMS)
ATTACKS = attacks(KEY, ISSUER, CLAIMS, NOW)


def test_a_token_decodes_to_its_claims() -> None:
    assert ISSUER.decode(TOKEN, NOW) == CLAIMS


def test_every_token_begins_in_the_same_way() -> None:
    others = [TokenIssuer(SigningKey.generate(), issuer="a", audience="b").encode(CLAIMS) for _ in range(3)]
    assert all(token.startswith(TOKEN_PREFIX) for token in [TOKEN, *others])


def test_what_is_narrowed_and_who_acts_is_in_the_token() -> None:
    details = AuthorizationDetails(
        grant_id="grt_x", checkpoints=("ladder-m",), operations=("generate",), limits=Limits(token_budget=50)
    )
    acting = ActingParty(sub="prg_b", act=ActingParty(sub="per_c"))
    claims = CLAIMS.model_copy(update={"authorization_details": (details,), "act": acting, "scope": "read run"})
    decoded = ISSUER.decode(ISSUER.encode(claims), NOW)
    assert decoded == claims
    assert decoded.holder == "prg_b"
    narrowing = decoded.details.narrowing()
    assert (narrowing.checkpoints, narrowing.token_budget) == (frozenset({"ladder-m"}), 50)
    assert AuthorizationDetails.of(narrowing, grant_id="grt_x", agreement_digest=None, purpose=None) == details


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name != "another jti"])
def test_every_attack_is_refused_by_our_error(attack: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        ISSUER.decode(ATTACKS[attack], NOW)
    assert refused.value.code == ("token_expired" if attack.startswith("expired") else "invalid_token")
    assert TOKEN.split(".")[2] not in str(refused.value)
    assert len(str(refused.value)) < 400


@given(
    st.text(max_size=200) | st.builds(lambda a, b: TOKEN[:a] + b + TOKEN[a + 1 :], st.integers(0, 400), st.characters())
)
def test_only_our_error_escapes_the_decoder(token: str) -> None:
    try:
        assert ISSUER.decode(token, NOW) == CLAIMS
    except Unauthenticated as error:
        assert token not in str(error) or len(token) < 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(sorted(AccessClaims.model_fields)), JSON)
def test_only_our_error_escapes_whatever_a_claim_holds(name: str, value: object) -> None:
    header = {"kid": ISSUER.jwks(NOW)["keys"][0]["kid"], "typ": "at+jwt", "alg": "Ed25519"}
    body = CLAIMS.model_dump(mode="json", exclude_none=True) | {name: value}
    try:
        ISSUER.decode(signed(KEY, header, json.dumps(body).encode()), NOW)
    except Unauthenticated as error:
        assert error.code in {"invalid_token", "token_expired"}


@given(st.integers(0, len(TOKEN) - 1))
def test_any_changed_character_is_noticed(place: int) -> None:
    changed = TOKEN[:place] + ("A" if TOKEN[place] != "A" else "B") + TOKEN[place + 1 :]
    with pytest.raises(Unauthenticated) as refused:
        ISSUER.decode(changed, NOW)
    assert refused.value.code == "invalid_token"


def test_the_published_keys_are_public() -> None:
    keys = ISSUER.jwks(NOW)["keys"]
    assert [key["kid"].startswith("concordat-") for key in keys] == [True]
    assert all("d" not in key for key in keys)


def test_an_earlier_key_verifies_until_its_last_token_has_ended() -> None:
    until = NOW + timedelta(minutes=30)
    later = TokenIssuer(
        SigningKey.generate(), issuer=ISSUER.issuer, audience="concordat", earlier=[(KEY.public, until)]
    )
    assert later.decode(TOKEN, NOW) == CLAIMS
    assert len(later.jwks(NOW)["keys"]) == 2
    assert len(later.jwks(until)["keys"]) == 1
    with pytest.raises(Unauthenticated, match="retired"):
        later.decode(TOKEN, until)


def test_a_token_of_before_the_prefix_is_good_until_it_ends() -> None:
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": KEY.public.key_id}
    body = CLAIMS.model_dump(mode="json") | {"iss": "portal"}
    body = {name: value for name, value in body.items() if name not in ("scope", "cnf", "act")}
    assert ISSUER.decode(signed(KEY, header, body), NOW).iss == "portal"
