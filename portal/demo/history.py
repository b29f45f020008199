"""The history in the order it happened: five months between a lab and its partners, told through the services."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from portal.demo import (
    arrivals,
    asking,
    batching,
    changes,
    delegating,
    duties,
    everyday,
    founding,
    framework,
    incident,
    larger_sizes,
    practice,
    publishing,
    smaller_sizes,
    terms,
    under_way,
    vetting,
)
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
    Chapter("the first partners are vetted", vetting.first_partners_are_vetted),
    Chapter("Northgate signs", terms.northgate_signs),
    Chapter("Open Watch signs", terms.openwatch_signs),
    Chapter("Tessellate negotiates and declines", terms.tessellate_declines),
    Chapter("Northgate measures all sizes", smaller_sizes.northgate_measures_all_sizes),
    Chapter("Open Watch looks for memorised text", smaller_sizes.openwatch_looks_for_memorised_text),
    Chapter("Open Watch detects", smaller_sizes.openwatch_detects),
    Chapter("Northgate finds nonsense in official form", smaller_sizes.northgate_finds_official_form),
    Chapter("a first norm is proposed", practice.first_norm_opens),
    Chapter("a finding is found twice", smaller_sizes.openwatch_repeats_it),
    Chapter("Northgate gives feedback", duties.northgate_gives_feedback),
    Chapter("a first norm is adopted over dissent", practice.first_norm_is_adopted),
    Chapter("the smallest size opens to partners", practice.smallest_opens_to_partners),
    Chapter("Northgate's agreement is amended", changes.northgate_gets_more),
    Chapter("Estuary is vetted", vetting.estuary_is_known),
    Chapter("Estuary signs", terms.estuary_signs),
    Chapter("Open Watch misses a duty", duties.openwatch_misses_feedback),
    Chapter("Northgate puts a talk forward", publishing.northgate_puts_a_talk_forward),
    Chapter("the smallest size goes public", practice.smallest_goes_public),
    Chapter("Open Watch is narrowed, and restored", duties.openwatch_is_narrowed_and_restored),
    Chapter("a token leaks", larger_sizes.a_token_leaks),
    Chapter("Open Watch gives notice", incident.openwatch_gives_notice),
    Chapter("a grant is revoked", terms.interns_lose_access),
    Chapter("Open Watch is suspended", incident.openwatch_is_suspended),
    Chapter("Open Watch appeals", incident.openwatch_appeals),
    Chapter("the leak is closed", larger_sizes.leak_is_closed),
    Chapter("the appeal is upheld", incident.appeal_is_upheld),
    Chapter("Open Watch's agreement is amended", changes.openwatch_reports_yearly),
    Chapter("Northgate measures bias", larger_sizes.northgate_measures_bias),
    Chapter("Estuary gives feedback", duties.estuary_gives_feedback),
    Chapter("the talk appears", publishing.talk_appears),
    Chapter("the third size opens to partners", practice.third_opens_to_partners),
    Chapter("Ridgeline is vetted", vetting.ridgeline_is_vetted),
    Chapter("Ridgeline signs a framework", framework.ridgeline_signs_a_framework),
    Chapter("Ridgeline signs a schedule", framework.ridgeline_signs_a_schedule),
    Chapter("Open Watch asks readers", larger_sizes.openwatch_asks_readers),
    Chapter("Northgate brings its accounts", arrivals.northgate_brings_its_accounts),
    Chapter("Northgate registers a webhook", under_way.northgate_registers_a_webhook),
    Chapter("first requests are decided", asking.first_requests_are_decided),
    Chapter("a second norm is proposed", practice.second_norm_opens),
    Chapter("Northgate probes the largest size", larger_sizes.northgate_probes_the_largest),
    Chapter("newer terms are put to every partner", changes.newer_terms_are_published),
    Chapter("the second norm is revised", practice.second_norm_is_revised),
    Chapter("Ridgeline asks and waits", asking.ridgeline_waits),
    Chapter("Estuary hands in more", vetting.estuary_hands_in_more),
    Chapter("a hazard is kept inside", larger_sizes.openwatch_keeps_one_inside),
    Chapter("Estuary answers the newer terms", changes.estuary_answers_the_newer_terms),
    Chapter("partners answer the second norm", practice.second_norm_is_answered),
    Chapter("Northgate signs the newer terms", changes.northgate_signs_the_newer_terms),
    Chapter("the largest size stays withheld", practice.largest_stays),
    Chapter("two papers come in", publishing.two_papers_come_in),
    Chapter("people are invited", arrivals.people_are_invited),
    Chapter("notices are read", under_way.notices_are_read),
    Chapter("Estuary wants the largest size", under_way.estuary_wants_the_largest),
    Chapter("the lab reads the papers", publishing.lab_reads_them),
    Chapter("more vetting comes in", vetting.last_papers_come_in),
    Chapter("partners report", duties.partners_report_on_the_year),
    Chapter("Lakeside answers an offer", under_way.lakeside_answers),
    Chapter("Northgate asks for more", asking.northgate_asks_for_more),
    Chapter("the lab prepares", under_way.lab_prepares),
    Chapter("people come and go", arrivals.people_come_and_go),
    Chapter("Northgate delegates", delegating.northgate_delegates),
    Chapter("this week", larger_sizes.this_week),
    Chapter("partners run batches", batching.partners_run_batches),
    Chapter("Northgate passes tokens on", delegating.northgate_passes_tokens_on),
    Chapter("people are signed in", arrivals.people_are_signed_in),
)


def tell(world: World, report: Callable[[float, str], None]) -> None:
    """Tell all of it; after each chapter the clockwork ticks.

    ``report`` hears the fraction done and what comes next.
    """
    world.errands, world.do = everyday.plan(world), everyday.run_errand
    for number, chapter in enumerate(CHAPTERS):
        report(number / len(CHAPTERS), chapter.label)
        chapter.tell(world)
        world.tick()
    report(1.0, "the history is told")
