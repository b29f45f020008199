"""The history in the order it happened: five months between a lab and its partners, told through the services."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from portal.demo import founding, larger_sizes, practice, smaller_sizes, terms
from portal.demo.world import World

BEGAN_DAYS_AGO: Final = 151.0


@dataclass(frozen=True)
class Chapter:
    """One thing that happened."""

    label: str
    tell: Callable[[World], None]


CHAPTERS: Final = (
    Chapter("partners join", founding.register_partners),
    Chapter("four checkpoints are registered", founding.register_checkpoints),
    Chapter("Northgate signs", terms.northgate_signs),
    Chapter("Open Watch signs", terms.openwatch_signs),
    Chapter("Tessellate declines", terms.tessellate_declines),
    Chapter("Northgate measures all sizes", smaller_sizes.northgate_measures_all_sizes),
    Chapter("Open Watch looks for memorised text", smaller_sizes.openwatch_looks_for_memorised_text),
    Chapter("Open Watch detects", smaller_sizes.openwatch_detects),
    Chapter("Northgate finds nonsense in official form", smaller_sizes.northgate_finds_official_form),
    Chapter("a first norm is proposed", practice.first_norm_opens),
    Chapter("a finding is found twice", smaller_sizes.openwatch_repeats_it),
    Chapter("a first norm is adopted over dissent", practice.first_norm_is_adopted),
    Chapter("the smallest size opens to partners", practice.smallest_opens_to_partners),
    Chapter("the smallest size goes public", practice.smallest_goes_public),
    Chapter("a token leaks", larger_sizes.a_token_leaks),
    Chapter("a grant is revoked", terms.interns_lose_access),
    Chapter("the leak is closed", larger_sizes.leak_is_closed),
    Chapter("Northgate measures bias", larger_sizes.northgate_measures_bias),
    Chapter("the third size opens to partners", practice.third_opens_to_partners),
    Chapter("Open Watch asks readers", larger_sizes.openwatch_asks_readers),
    Chapter("a second norm is proposed", practice.second_norm_opens),
    Chapter("Northgate probes the largest size", larger_sizes.northgate_probes_the_largest),
    Chapter("the second norm is revised", practice.second_norm_is_revised),
    Chapter("a hazard is kept inside", larger_sizes.openwatch_keeps_one_inside),
    Chapter("partners answer the second norm", practice.second_norm_is_answered),
    Chapter("the largest size stays withheld", practice.largest_stays),
    Chapter("agreements are under way", terms.agreements_under_way),
    Chapter("this week", larger_sizes.this_week),
)


def tell(world: World, report: Callable[[float, str], None]) -> None:
    """Tell all of it. ``report`` hears the fraction done and what comes next."""
    for number, chapter in enumerate(CHAPTERS):
        report(number / len(CHAPTERS), chapter.label)
        chapter.tell(world)
    report(1.0, "the history is told")
