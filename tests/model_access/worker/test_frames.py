import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Invalid, TooLarge
from model_access.build import Products
from model_access.conversations import Conversation, Message
from model_access.generation import ChoiceDelta, GenerationRequest, Logprobs
from model_access.worker.frames import (
    MAX_FRAME_BYTES,
    Alive,
    Cancel,
    Ended,
    NotRendered,
    Piece,
    Ready,
    Refused,
    Render,
    Rendered,
    Stopped,
    Submit,
    encode,
    parse_from_worker,
    parse_to_worker,
    read_bytes,
)

FROM_WORKER = [
    Ready(products=Products(kernel="fbgemm", weight_bits=7)),
    Alive(),
    Refused(code="bad_checkpoint", message="No."),
    Stopped(ticket=3, completion_tokens=4),
    Rendered(ticket=3, text="user: €\0"),
    NotRendered(ticket=3, message="Take turns!"),
    Ended(ticket=0, index=1, token_ids=(1, 2)),
    Piece(
        ticket=1,
        delta=ChoiceDelta(
            index=0,
            text="€\0",
            token_ids=(5,),
            logprobs=Logprobs(tokens=("a",), token_logprobs=(None,), top_logprobs=(None,), text_offset=(0,)),
            finish_reason="stop",
        ),
    ),
]


@pytest.mark.parametrize("frame", FROM_WORKER, ids=lambda frame: frame.kind)
def test_what_a_worker_says_arrives_as_it_was_said(frame: Ready) -> None:
    body = read_bytes(io.BytesIO(encode(frame)))
    assert body is not None
    assert parse_from_worker(body) == frame


def test_what_the_portal_says_arrives_as_it_was_said() -> None:
    talk = Conversation(messages=(Message(role="user", content="€"),))
    asked = GenerationRequest(prompts=((1, 2),), seed=2**53 - 1)
    for frame in (Cancel(ticket=1), Submit(ticket=2, request=asked), Render(ticket=3, conversation=talk)):
        body = read_bytes(io.BytesIO(encode(frame)))
        assert body is not None
        assert parse_to_worker(body) == frame


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"kind":"ready","x":1}',
    b'{"kind":"submit"}',
    b'{"kind":"ended","ticket":-1,"index":0,"token_ids":[]}',
    b'{"kind":"ended","ticket":0,"index":0,"token_ids":["1"]}',
    b'{"kind":"ended","ticket":0,"index":0,"token_ids":[1.5]}',
    b'{"kind":"ended","ticket":true,"index":0,"token_ids":[]}',
    b'{"kind":"refused","code":"Not A Code","message":""}',
    b'{"kind":"piece","ticket":0,"delta":{"index":0,"text":"","finish_reason":"because"}}',
    b'{"kind":"piece","ticket":0,"delta":{"index":0,"text":"","logprobs":{"token_logprobs":[NaN]}}}',
    b'{"kind":"piece","ticket":0,"delta":{"index":0,"text":"\xff"}}',
]


@pytest.mark.parametrize("body", HOSTILE)
def test_a_hostile_frame_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_from_worker(body)
    assert refusal.value.code == "bad_frame"


@given(st.binary(max_size=300))
def test_only_a_refusal_leaves_the_reader(data: bytes) -> None:
    try:
        body = read_bytes(io.BytesIO(data))
        if body is not None:
            parse_from_worker(body)
    except Invalid as refusal:
        assert refusal.code == "bad_frame"


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_a_frame_that_claims_too_much_is_refused_before_it_is_read(length: int) -> None:
    stream = io.BytesIO(struct.pack(">I", length) + bytes(10))
    with pytest.raises(Invalid):
        read_bytes(stream)
    assert stream.tell() == 4


def test_a_clean_end_is_no_frame() -> None:
    assert read_bytes(io.BytesIO(b"")) is None


def test_a_request_too_large_for_the_pipe_is_refused() -> None:
    with pytest.raises(TooLarge) as refusal:
        encode(Submit(ticket=0, request=GenerationRequest(prompts=("x" * MAX_FRAME_BYTES,), seed=0)))
    assert refusal.value.code == "frame_too_large"
