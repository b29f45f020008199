"""The access log on screen: every entry with its leaf, filtered by the address, page by page."""

from streamlit.testing.v1 import AppTest

from agreements.credentials import SignInMethod
from portal.services.access_log_views import AccessFilter, AccessKind
from tests.portal.pages.pages_world import World, click
from tests.portal.pages.pages_world import said as words_of
from tests.portal.services.usage_world import Past, record_in


def said(app: AppTest) -> str:
    return words_of(app).replace("\\", "")


def links_of(app: AppTest) -> list[str]:
    return [element.proto.url for element in app.get("link_button")]


def test_a_lead_reads_what_happened_and_finds_the_proof(world: World) -> None:
    grant = world.grant()
    run_id = world.run(world.member)
    world.portal.grants.suspend(world.actor(world.coordinator), grant.id, reason="<b>looked</b> into")
    app = world.screen(world.lead, "access_log", institution="open-press")
    words = said(app)
    assert not app.exception
    for told in ("A run was made", "A grant was issued", "A grant was suspended", "leaf ", "Ben Okoro", "looked"):
        assert told in words
    assert r"\<b\>looked" in words_of(app)
    assert [link for link in app.get("page_link") if f"run={run_id}" in str(link.proto)]
    suspended = AccessFilter(kind=AccessKind.GRANT)
    leaf = world.portal.access_log.page(world.actor(world.lead), suspended).entries[0].leaf
    assert f"/api/access/log/{leaf}/evidence" in links_of(app)
    assert "A grant was issued" not in said(world.screen(world.rival, "access_log"))


def test_filters_stand_in_the_address_and_in_the_files(world: World) -> None:
    world.grant()
    world.run(world.member)
    world.portal.sessions.open(world.member, method=SignInMethod.LINK)
    app = world.screen(world.lead, "access_log", kind="run", **{"from": "2026-01-01"})
    assert "A run was made" in said(app)
    assert "A grant was issued" not in said(app)
    assert "/api/access/log?kind=run&from=2026-01-01&format=csv" in links_of(app)
    app.selectbox(key="access_log.filter.kind").set_value("sign_in").run()
    assert "sign_in" in app.query_params["kind"]
    assert "Signed in by a sign-in link" in said(app)
    refused = world.screen(world.lead, "access_log", **{"from": "2026-02-02", "to": "2026-02-01"})
    assert "range_reversed" in said(refused)
    assert not world.screen(world.lead, "access_log", **{"from": "soon"}).exception


def test_pages_are_turned_and_another_question_begins_anew(world: World) -> None:
    now = world.portal.kernel.clock()
    record_in(world.portal, [Past(world.member.id, now, "northfield") for _ in range(30)], now)
    app = world.screen(world.lead, "access_log", kind="run")
    first = [c for c in said(app).splitlines() if c.startswith("leaf")]
    click(app, "access_older")
    older = [c for c in said(app).splitlines() if c.startswith("leaf")]
    assert (len(first), len(older)) == (25, 5)
    assert not set(first) & set(older)
    app.selectbox(key="access_log.filter.outcome").set_value("completed").run()
    assert "before" not in app.query_params
    click(app, "access_older")
    click(app, "access_newest")
    assert "before" not in app.query_params
    assert "bad_cursor" in said(world.screen(world.lead, "access_log", before="x"))


def test_an_empty_log_says_what_will_stand_there(world: World) -> None:
    assert "Take a filter away" in said(world.screen(world.rival, "access_log", kind="program"))
