from hypothesis import given
from hypothesis import strategies as st

from model_access.engine.stopping import StopMatcher

stops = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3)
pieces = st.lists(st.text("abc", max_size=4), max_size=12)


def shown(stop_strings: list[str], parts: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(stop_strings)
    text = "".join(matcher.feed(part) for part in parts)
    return text + matcher.flush(), matcher.stopped


@given(stops, pieces)
def test_the_answer_does_not_depend_on_the_pieces(stop_strings: list[str], parts: list[str]) -> None:
    assert shown(stop_strings, parts) == shown(stop_strings, list("".join(parts)))


@given(stops, pieces)
def test_text_ends_where_the_first_complete_stop_string_began(stop_strings: list[str], parts: list[str]) -> None:
    whole = "".join(parts)
    text, stopped = shown(stop_strings, parts)
    ends = [end for end in range(len(whole) + 1) if whole[:end].endswith(tuple(stop_strings))]
    assert stopped == bool(ends)
    if not ends:
        assert text == whole
    else:
        longest = max(len(stop) for stop in stop_strings if whole[: ends[0]].endswith(stop))
        assert text == whole[: ends[0] - longest]


@given(stops, pieces)
def test_nothing_shown_is_ever_taken_back(stop_strings: list[str], parts: list[str]) -> None:
    matcher = StopMatcher(stop_strings)
    so_far = ""
    for part in parts:
        so_far += matcher.feed(part)
        assert not any(stop in so_far for stop in stop_strings)
    assert "".join(parts).startswith(so_far)


def test_only_what_may_begin_a_stop_string_is_held_back() -> None:
    matcher = StopMatcher(["\n\nQ:"])
    assert matcher.feed("an answer\n") == "an answer"
    assert matcher.feed("more") == "\nmore"
    assert matcher.feed("\n\nQ") == ""
    assert matcher.feed(": next") == ""
    assert matcher.stopped
    assert matcher.feed("ignored") == matcher.flush() == ""
