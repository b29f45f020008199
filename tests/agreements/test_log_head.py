"""Signed notes and log heads: the vectors of Go's sumdb/note and of C2SP, one spelling, fuzz."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.canonical import b64decode, b64encode
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.keys import SigningKey
from agreements.log_head import (
    MAX_LOG_SIZE,
    MAX_NOTE_CHARS,
    MAX_NOTE_SIGNATURES,
    LogHead,
    NoteSigner,
    NoteVerifier,
    open_head,
    open_note,
    sign_head,
    signature_count,
)
from agreements.merkle import EMPTY_ROOT, leaf_hash

# golang.org/x/mod/sumdb/note, note_test.go
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)

ORIGIN = "portal.example/log"
SIGNER = NoteSigner(ORIGIN, SigningKey.from_seed(bytes(range(32))))
HEAD = LogHead(origin=ORIGIN, size=20852163, root=leaf_hash(b"root"))
NOTE = sign_head(HEAD, SIGNER)

names = st.text(min_size=1, max_size=40).filter(
    lambda name: "+" not in name and not any(char.isspace() or char < " " or char == "\x7f" for char in name)
)


def test_go_and_this_sign_the_same_note() -> None:
    signer = NoteSigner("PeterNeumann", SigningKey.from_seed(b64decode(PETER_SECRET)[1:]))
    assert signer.vkey == PETER
    assert signer.sign(TEXT) == TEXT + "\n" + PETER_LINE


def test_go_s_notes_open() -> None:
    both = TEXT + "\n" + PETER_LINE + ENOCH_LINE
    assert open_note(TEXT + "\n" + PETER_LINE, PETER) == TEXT
    assert (open_note(both, PETER), open_note(both, ENOCH)) == (TEXT, TEXT)
    assert (signature_count(TEXT + "\n" + PETER_LINE), signature_count(both)) == (1, 2)


def test_signatures_by_others_are_left_unread() -> None:
    broken = ENOCH_LINE[:60] + "ABCD" + ENOCH_LINE[60:]
    assert open_note(TEXT + "\n" + PETER_LINE * 2 + broken, PETER) == TEXT
    with pytest.raises(VerificationError) as refused:
        open_note(TEXT + "\n" + ENOCH_LINE, PETER)
    assert refused.value.code == "note_unsigned"


def test_a_line_by_the_key_that_does_not_hold_spoils_the_note() -> None:
    broken = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    for lines in (broken, PETER_LINE + broken):
        with pytest.raises(VerificationError) as refused:
            open_note(TEXT + "\n" + lines, PETER)
        assert refused.value.code == "bad_signature"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + PETER_LINE[:-1],
        TEXT + PETER_LINE,
        "\x01" + TEXT + "\n" + PETER_LINE,
        "\udcff" + TEXT + "\n" + PETER_LINE,
        TEXT + "\r\n" + PETER_LINE,
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad Name"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad+Name"),
        TEXT + "\n" + PETER_LINE.replace("PeterNeumann", ""),
        TEXT + "\n" + PETER_LINE.replace("— ", "- "),
        TEXT + "\n" + PETER_LINE.replace("=\n", "\n"),
        TEXT + "\n" + PETER_LINE.replace("M=\n", "N=\n"),
        TEXT + "\n— PeterNeumann x08gow==\n",
        TEXT + "\n" + PETER_LINE + "Unexpected line.\n",
        TEXT + "\n" + PETER_LINE + "\n",
        TEXT + "\n" + PETER_LINE * (MAX_NOTE_SIGNATURES + 1),
        "x" * MAX_NOTE_CHARS + "\n\n" + PETER_LINE,
    ],
    ids=lambda note: ascii(note[-40:]),
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_note(note, PETER)
    assert refused.value.code == "bad_note"
    with pytest.raises(Invalid):
        signature_count(note)


def test_manglings_of_a_verifier_key_are_refused() -> None:
    pieces = {PETER[i:j] for i in range(len(PETER)) for j in range(i + 1, len(PETER) + 1)} - {PETER}
    raised = {PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))}
    others = {
        "",
        PETER + "\n",
        PETER.replace("c74f20a3", "C74F20A3"),
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+",
        "PeterNeumann+c74f20a3+====",
        "é\ud800+c74f20a3+AQ==",
    }
    for vkey in pieces | raised | others:
        with pytest.raises(Invalid) as refused:
            NoteVerifier.parse(vkey)
        assert refused.value.code == "bad_vkey"


@given(names, st.binary(min_size=32, max_size=32))
def test_verifier_keys_round_trip(name: str, seed: bytes) -> None:
    signer = NoteSigner(name, SigningKey.from_seed(seed))
    assert NoteVerifier.parse(signer.vkey) == signer.verifier
    assert open_note(signer.sign("text\n"), signer.vkey) == "text\n"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\n", "a\x00", "\ud800", "x" * 201], ids=ascii)
def test_unusable_names_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        NoteSigner(name, SigningKey.generate())
    assert refused.value.code == "bad_note_name"


@pytest.mark.parametrize("text", ["", "no line feed", "tab\t\n", "\x7f\n", "\ud800\n"], ids=ascii)
def test_unusable_texts_are_not_signed(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        SIGNER.sign(text)
    assert refused.value.code == "bad_note_text"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\n"), max_size=60))
def test_a_text_comes_out_as_it_went_in_even_with_blank_lines(text: str) -> None:
    assert open_note(SIGNER.sign(text + "\n"), SIGNER.vkey) == text + "\n"


def test_the_example_of_the_c2sp_specification() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    head = LogHead.parse(text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert b64encode(head.root) == "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    assert head.text() == text


@given(st.integers(0, MAX_LOG_SIZE), st.binary(min_size=32, max_size=32))
def test_heads_round_trip(size: int, root: bytes) -> None:
    head = LogHead(origin=ORIGIN, size=size, root=root)
    assert open_head(sign_head(head, SIGNER), SIGNER.vkey) == head
    assert LogHead.model_validate_json(head.model_dump_json()) == head


ROOT = b64encode(EMPTY_ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n0\n",
        f"o\n0\n{ROOT}",
        f"\n0\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n00\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n 1\n{ROOT}\n",
        f"o\n1_0\n{ROOT}\n",
        f"o\n٣\n{ROOT}\n",
        f"o\n{MAX_LOG_SIZE + 1}\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n0\n{ROOT[:-1]}\n",
        f"o\n0\n{b64encode(bytes(31))}\n",
        f"o\n0\n{b64encode(bytes(33))}\n",
        f"o\n0\n{ROOT}\nextension\n",
        f"o\n0\n{ROOT}\n\n",
        f"{'o' * 201}\n0\n{ROOT}\n",
        f"\ud800\n0\n{ROOT}\n",
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_other_spellings_of_a_head_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        LogHead.parse(text)
    assert refused.value.code == "bad_log_head"


def test_a_log_signs_for_itself_only() -> None:
    other = HEAD.model_copy(update={"origin": "another.example/log"})
    with pytest.raises(Invalid) as refused:
        sign_head(other, SIGNER)
    assert refused.value.code == "other_origin"
    with pytest.raises(VerificationError) as failed:
        open_head(SIGNER.sign(other.text()), SIGNER.vkey)
    assert failed.value.code == "other_origin"


def test_a_head_under_another_key_of_the_same_name_does_not_open() -> None:
    namesake = NoteSigner(ORIGIN, SigningKey.generate())
    with pytest.raises(VerificationError) as refused:
        open_head(NOTE, namesake.vkey)
    assert refused.value.code == "note_unsigned"
    # Its key hash put into the line does not help: the signature itself is checked.
    data = b64decode(NOTE.rstrip("\n").rpartition(" ")[2])
    relabelled = f"{HEAD.text()}\n— {ORIGIN} {b64encode(namesake.verifier.key_hash + data[4:])}\n"
    with pytest.raises(VerificationError) as failed:
        open_head(relabelled, namesake.vkey)
    assert failed.value.code == "bad_signature"


@given(st.integers(0, len(NOTE) - 1), st.characters())
def test_no_character_of_a_signed_head_can_change(place: int, char: str) -> None:
    changed = NOTE[:place] + char + NOTE[place + 1 :]
    if changed == NOTE:
        assert open_head(changed, SIGNER.vkey) == HEAD
    else:
        with pytest.raises(ConcordatError):
            open_head(changed, SIGNER.vkey)


@given(st.text(), st.text())
def test_only_refusals_leave_the_readers(one: str, other: str) -> None:
    for text in (one, f"{one}+{other}", f"{one}+c74f20a3+{other}", f"{one}\n0\n{other}\n", f"{one}\n\n— {other}\n"):
        with suppress(ConcordatError):
            NoteVerifier.parse(text)
        with suppress(ConcordatError):
            LogHead.parse(text)
        with suppress(ConcordatError):
            open_head(text, SIGNER.vkey)
        with suppress(ConcordatError):
            open_note(NOTE, text)
        with suppress(ConcordatError):
            signature_count(f"{TEXT}\n— {text}\n")
