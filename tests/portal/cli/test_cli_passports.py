"""``concordat passport``, from handing in to taking over what another portal accepted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.canonical import sha256_hex
from agreements.institutions import Constituency
from agreements.keys import SigningKey
from agreements.passport_credential import PassportCredential, VettedItem, sign_passport
from agreements.passports import VettingItem
from tests.portal.cli.cli_stand import Say, run

ELSEWHERE = SigningKey.from_seed(b"e" * 32)


@pytest.fixture
def partner(say: Say, request: pytest.FixtureRequest) -> str:
    """An institution of the test's own."""
    name = f"p-{sha256_hex(request.node.name.encode())[:12]}"
    added = say(
        *("institution", "add", name, "--name", f"House of {name}", "--constituency", "academia"),
        *("--email", "a@p.example"),
    )
    assert added.status == 0, added.err
    return name


def exported(name: str, folder: Path) -> Path:
    """What another portal attests."""
    now = datetime.now(UTC) - timedelta(days=1)
    item = VettedItem(
        item=VettingItem.IDENTITY, accepted_at=now, valid_until=now + timedelta(days=90), reviewer="Somebody"
    )
    credential = PassportCredential(
        issuer_name="Elsewhere Lab",
        issuer_key=ELSEWHERE.public.raw.hex(),
        valid_from=now,
        subject_id="known-there-as",
        subject_name=name,
        constituency=Constituency.ACADEMIA,
        vetting=(item,),
    )
    path = folder / "passport.json"
    path.write_text(json.dumps(sign_passport(credential, ELSEWHERE).to_json()))
    return path


def test_an_item_is_handed_in_and_shown(say: Say, partner: str, tmp_path: Path) -> None:
    charter = tmp_path / "charter.pdf"
    charter.write_bytes(b"a charter")
    said = say(
        *("passport", "submit", partner, "--item", "identity", "--statement", "As chartered."),
        *("--file", charter, "--link", "Register=https://register.example/7"),
    )
    assert said.status == 0, said.err
    assert "Identity of House of" in said.out
    shown = say("passport", "show", partner)
    assert "waits for review" in shown.out
    assert "a coordinator" in shown.out
    for read_before_review in ("As chartered.", f"charter.pdf sha256:{sha256_hex(b'a charter')}", "Mara Lindqvist"):
        assert read_before_review in shown.out
    answer = say("passport", "show", partner, "--json").answer
    (entry,) = answer["passport"]["items"][0]["entries"]
    assert [one["label"] for one in entry["evidence"]] == ["charter.pdf", "Register"]
    assert partner in say("passport", "list").out
    assert isinstance(say("passport", "list", "--json").answer["items"], list)


def test_what_one_handed_in_one_does_not_review(say: Say, partner: str) -> None:
    say("passport", "submit", partner, "--item", "identity", "--statement", "As chartered.")
    refused = say("passport", "review", partner, "--item", "identity", "--accept", "--until", "2030-01-01")
    assert (refused.status, refused.out) == (1, "")
    assert "(own_evidence)" in refused.err
    returned = say("passport", "review", partner, "--item", "identity", "--return", "--reason", "no")
    assert "(own_evidence)" in returned.err


def test_a_passport_of_another_portal_is_taken_over_and_revoked(say: Say, partner: str, tmp_path: Path) -> None:
    file = exported("House of Elsewhere", tmp_path)
    key = ELSEWHERE.public.raw.hex()
    refused = say("passport", "import", partner, file, "--key", key)
    assert "(other_subject)" in refused.err
    taken = say("passport", "import", partner, file, "--key", key, "--same-institution")
    assert (taken.status, taken.out.strip()) == (0, f"House of {partner} has valid: identity.")
    nothing = say("passport", "export", partner, "-o", tmp_path / "out.json")
    assert "(nothing_to_export)" in nothing.err
    revoked = say("passport", "revoke", partner, "--item", "identity", "--reason", "struck off")
    assert revoked.status == 0
    assert "revoked" in say("passport", "show", partner).out


def test_a_passport_is_verified_offline(tmp_path: Path) -> None:
    file = exported("North University", tmp_path)
    said = run("verify", file, "--key", ELSEWHERE.public.raw.hex())
    assert said.status == 0, said.err
    assert "institution's passport" in said.out
    assert "North University" in said.out
    assert "Elsewhere Lab" in said.out
    assert run("verify", file, "--key", SigningKey.generate().public.raw.hex()).status == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("show nowhere", "passport_not_found"),
        ("submit nowhere --item identity --statement words --link register", "bad_link"),
        ("submit nowhere --item identity --statement words --file no-such-file", "no_such_file"),
        ("submit nowhere --item charm --statement words", "bad_input"),
        ("review nowhere --item identity --accept --until 2030-01-01", "passport_not_found"),
    ],
)
def test_refusals_have_their_code(say: Say, words: str, code: str) -> None:
    refused = say("passport", *words.split())
    assert refused.status == 1
    assert f"({code})" in refused.err
