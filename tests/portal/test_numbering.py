"""Permanent numbers."""

import threading

import pytest

from agreements.errors import Invalid
from portal.numbering import Series, ordinal


def latest_of(taken: list[str]) -> "Series":
    def latest(low: int, high: int) -> int | None:
        return max((o for o in map(ordinal, taken) if low <= o < high), default=None)

    return Series("CDT", latest)


def test_each_year_starts_over() -> None:
    series = latest_of(["CDT-2025-0041", "CDT-2026-0002", "CDT-2026-0001"])
    with series.reserve(2026) as following:
        assert following == "CDT-2026-0003"
    with series.reserve(2027) as first:
        assert first == "CDT-2027-0001"


def test_a_series_without_years_counts_on() -> None:
    series = Series("NRM", lambda low, high: 9999)
    with series.reserve() as following:
        assert following == "NRM-10000"
    assert ordinal("NRM-10000") > ordinal("NRM-9999")


def test_a_number_that_was_not_committed_is_offered_again() -> None:
    series = latest_of([])
    with series.reserve(2026) as first, pytest.raises(RuntimeError):
        raise RuntimeError(first)
    with series.reserve(2026) as again:
        assert again == "CDT-2026-0001"


def test_threads_never_get_the_same_number() -> None:
    taken: list[str] = []
    series = latest_of(taken)

    def take() -> None:
        for _ in range(20):
            with series.reserve(2026) as following:
                taken.append(following)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(ordinal, taken)) == list(range(ordinal("CDT-2026-0001"), ordinal("CDT-2026-0160") + 1))


@pytest.mark.parametrize("bad", ["", "CDT", "CDT-1", "cdt-2026-0001", "CDT-2026-0001 ", "CDT-2026-0001-0001"])
def test_what_is_no_id_is_refused(bad: str) -> None:
    with pytest.raises(Invalid):
        ordinal(bad)
