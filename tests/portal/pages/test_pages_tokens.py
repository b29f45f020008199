"""Tokens on screen: least by default, shown once, narrowed within what they open, rotated, revoked; programs; keys."""

import json
import shlex
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from agreements.areas import Area
from agreements.errors import Unauthenticated
from agreements.jwks import thumbprint_of
from agreements.narrowing import Narrowing
from agreements.precision import Precision
from agreements.tokens import TOKEN_PREFIX
from portal.pages.token_snippets import Use, refreshing, snippets
from portal.pages.words import literal
from portal.services.refresh import REFRESH_PREFIX
from tests.portal.pages.pages_world import World, click, existing, said
from tests.portal.services.token_world import jwks_of, new_key

PICTURES = Path(__file__).parents[3] / "docs" / "screens"


@pytest.mark.parametrize("who", ["coordinator", "lead", "member", "rival", "researcher"])
def test_everybody_who_may_has_the_screen_and_only_what_is_theirs(world: World, who: str) -> None:
    person = getattr(world, who)
    world.grant()
    world.portal.tokens.issue(world.actor(world.lead), label="of the lead")
    app = world.screen(person, "tokens")
    assert not app.exception
    words = said(app)
    assert ("of the lead" in words) == (who in ("coordinator", "lead"))
    buttons = {button.label for button in app.button}
    assert ("Rotate the key" in buttons) == (who == "coordinator")
    assert ("Register the program" in buttons) == (who in ("coordinator", "lead", "rival"))


def test_a_token_without_a_grant_is_for_reading_unless_more_is_asked_for(world: World) -> None:
    app = world.screen(world.researcher, "tokens")
    app.text_input(key="token.issue.label").set_value("dashboard")
    click(app, "token.issue.submit")
    (record,) = world.portal.tokens.list(world.actor(world.researcher))
    assert record.areas == (Area.READ,)
    app = world.screen(world.researcher, "tokens")
    app.text_input(key="token.issue.label").set_value("reports")
    app.multiselect(key="token.issue.areas").set_value([Area.READ, Area.EVIDENCE])
    click(app, "token.issue.submit")
    newest = world.portal.tokens.list(world.actor(world.researcher))[0]
    assert newest.areas == (Area.READ, Area.EVIDENCE)


def test_a_token_and_what_keeps_it_fresh_are_shown_once(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.lead, "tokens")
    app.text_input(key="token.issue.label").set_value("script")
    app.checkbox(key="token.issue.fresh").set_value(True)
    click(app, "token.issue.submit")
    shown = [code.value for code in app.code]
    token = next(value for value in shown if value.startswith(TOKEN_PREFIX))
    secret = next(value for value in shown if value.startswith(REFRESH_PREFIX))
    assert world.portal.tokens.authenticate(token).actor.person_id == world.lead.id
    assert "keeps itself fresh" in " ".join(str(badge.value) for badge in app.markdown)
    assert any("from openai import OpenAI" in value for value in shown)
    click(app, "token_hide")
    assert f"grant {literal(grant.label)} `{grant.id}`" in said(app)
    assert token not in said(app)
    assert secret not in said(app)
    assert world.portal.refresh.refresh(secret, client_id=None, key_thumbprint=None).token


def test_a_bound_token_comes_with_the_snippet_that_proves_it(world: World) -> None:
    world.grant()
    app = world.screen(world.lead, "tokens")
    thumbprint = thumbprint_of(new_key())
    app.text_input(key="token.issue.key").set_value(thumbprint)
    click(app, "token.issue.submit")
    assert any("DPoPAuth" in code.value for code in app.code)
    (record,) = world.portal.tokens.list(world.actor(world.lead))
    assert record.key_thumbprint == thumbprint


def test_a_bad_thumbprint_is_refused_in_the_form(world: World) -> None:
    world.grant()
    app = world.screen(world.lead, "tokens")
    app.text_input(key="token.issue.key").set_value("no thumbprint")
    click(app, "token.issue.submit")
    assert "bad_input" in said(app)
    assert not world.portal.tokens.list(world.actor(world.lead))


def test_a_token_is_narrowed_within_what_it_opens_and_passed_on(world: World) -> None:
    grant = world.grant()
    first = world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=grant.id)
    app = world.screen(world.lead, "tokens")
    form = f"token.narrow:{first.record.id}"
    click(app, f"{form}.open")
    assert set(app.multiselect(key=f"{form}.operations").options) == set(existing(grant.scope).operations)
    assert app.number_input(key=f"{form}.budget").max == existing(grant.scope).token_budget
    app.multiselect(key=f"{form}.operations").set_value(["generate"])
    app.number_input(key=f"{form}.budget").set_value(700)
    app.selectbox(key=f"{form}.delegate").set_value(world.member.id)
    app.text_input(key=f"{form}.label").set_value("for Ben")
    click(app, f"{form}.make")
    records = {record.label: record for record in world.portal.tokens.list(world.actor(world.lead))}
    made = records["for Ben"]
    assert (made.parent_id, made.person_id, made.narrowing.token_budget) == (first.record.id, world.member.id, 700)
    assert made.narrowing.checkpoints is None
    words = said(app)
    token = next(code.value for code in app.code if code.value.startswith(TOKEN_PREFIX))
    assert "The token to pass on" in words
    assert "at most 700 tokens" in words
    assert "↳ **for Ben**" in words
    again = world.screen(world.lead, "tokens")
    click(again, f"token.revoke:{first.record.id}.open")
    assert "**one** live token that was made from it" in said(again)
    click(again, f"token.revoke:{first.record.id}.confirm")
    assert all(
        record.id != made.id or record.ended_at is None for record in world.portal.tokens.list(world.actor(world.lead))
    )
    with pytest.raises(Unauthenticated):
        world.portal.tokens.look_up(token)


def test_finer_limits_stand_beside_what_the_token_allows_and_are_marked_where_they_go_beyond(world: World) -> None:
    grant = world.grant()
    first = world.portal.tokens.issue(
        world.actor(world.lead), label="notebook", grant_id=grant.id, narrowing={"request_budget": 50}
    )
    app = world.screen(world.lead, "tokens")
    form = f"token.narrow:{first.record.id}"
    click(app, f"{form}.open")
    requests = app.number_input(key=f"{form}.requests")
    assert (requests.value, "the token allows 50" in requests.label) == (50, True)
    assert "the token sets no limit" in app.number_input(key=f"{form}.day_tokens").label
    requests.set_value(51)
    app.number_input(key=f"{form}.week_tokens").set_value(9000)
    app.number_input(key=f"{form}.max_temperature").set_value(0.5)
    app.text_input(key=f"{form}.opens").set_value("9 o'clock")
    click(app, f"{form}.make")
    assert "bad_input" in said(app)
    app.text_input(key=f"{form}.opens").set_value("09:00")
    click(app, f"{form}.make")
    words = said(app)
    assert "beyond_token" in words
    assert ":red[:material/error: 51 is more than 50]" in words
    app.number_input(key=f"{form}.requests").set_value(50)
    click(app, f"{form}.make")
    (made,) = [one for one in world.portal.tokens.list(world.actor(world.lead)) if one.parent_id == first.record.id]
    # What was left as above is no limit of its own.
    assert made.narrowing.model_dump(mode="json", exclude_none=True) == {
        "periods": [{"period": "week", "tokens": 9000}],
        "sampling": {"max_temperature": 0.5},
        "hours": {
            "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
            "opens": "09:00",
            "closes": "24:00",
            "zone": "UTC",
        },
    }
    assert "9,000 tokens a week; at most temperature 0.5; daily 09:00" in words_of_card(app)


def test_biases_and_precisions_can_be_taken_from_a_token(world: World) -> None:
    grant = world.grant(limits={"logit_bias": True}, precisions=frozenset({Precision.FLOAT32, Precision.INT8}))
    first = world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=grant.id)
    app = world.screen(world.lead, "tokens")
    form = f"token.narrow:{first.record.id}"
    click(app, f"{form}.open")
    bias, precisions = app.checkbox(key=f"{form}.bias"), app.multiselect(key=f"{form}.precisions")
    assert (bias.value, set(precisions.value), set(precisions.options)) == (
        True,
        {"float32", "int8"},
        {"float32", "int8"},
    )
    bias.uncheck()
    precisions.set_value(["int8"])
    click(app, f"{form}.make")
    (made,) = [one for one in world.portal.tokens.list(world.actor(world.lead)) if one.parent_id == first.record.id]
    assert made.narrowing == Narrowing(logit_bias=False, precisions=frozenset({Precision.INT8}))
    assert "no biases of logits; computed in int8" in words_of_card(app)
    click(app, f"token.narrow:{made.id}.open")
    assert app.checkbox(key=f"token.narrow:{made.id}.bias").disabled


def words_of_card(app: AppTest) -> str:
    """What the screen says, as read."""
    return said(app).replace("\\", "")


def test_narrowing_can_be_called_off(world: World) -> None:
    first = world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=world.grant().id)
    app = world.screen(world.lead, "tokens")
    form = f"token.narrow:{first.record.id}"
    click(app, f"{form}.open")
    click(app, f"{form}.cancel")
    assert len(world.portal.tokens.list(world.actor(world.lead))) == 1


def test_a_token_is_rotated_and_its_last_use_is_told(world: World) -> None:
    first = world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=world.grant().id)
    app = world.screen(world.lead, "tokens")
    assert "not used yet" in said(app)
    world.portal.tokens.authenticate(first.token)
    app = world.screen(world.lead, "tokens")
    assert "last used" in said(app)
    form = f"token.rotate:{first.record.id}"
    click(app, f"{form}.open")
    assert "cannot be undone" in said(app)
    click(app, f"{form}.make")
    live = [record for record in world.portal.tokens.list(world.actor(world.lead)) if record.ended_at is None]
    assert [record.label for record in live] == ["notebook"]
    assert live[0].id != first.record.id
    assert any(code.value.startswith(TOKEN_PREFIX) for code in app.code)


def test_a_token_is_rotated_with_a_grace_in_which_both_work(world: World) -> None:
    first = world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=world.grant().id)
    world.portal.tokens.narrow(world.actor(world.lead), first.record.id, label="below")
    app = world.screen(world.lead, "tokens")
    form = f"token.rotate:{first.record.id}"
    click(app, f"{form}.open")
    assert "1 live token" in said(app)
    app.selectbox(key=f"{form}.grace").set_value(15).run()
    assert "Until then both work" in said(app)
    click(app, f"{form}.cancel")
    assert len(world.portal.tokens.list(world.actor(world.lead))) == 2
    click(app, f"{form}.open")
    app.selectbox(key=f"{form}.grace").set_value(15)
    click(app, f"{form}.make")
    assert world.portal.tokens.authenticate(first.token).actor.person_id == world.lead.id
    words = said(app)
    assert "Replaced by another token" in words
    assert "ends soon" in words
    # Another one took its place already: it is not offered again.
    assert f"{form}.open" not in {button.key for button in app.button}


def test_a_good_token_that_opens_nothing_says_why(world: World) -> None:
    grant = world.grant()
    world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=grant.id)
    assert "It opens nothing now" not in said(world.screen(world.lead, "tokens"))
    world.portal.grants.suspend(world.actor(world.coordinator), grant.id, reason="Looked into.")
    words = said(world.screen(world.lead, "tokens")).replace("\\", "")
    assert "It opens nothing now" in words
    assert "is suspended since" in words


def test_a_refresh_token_that_came_twice_is_told_at_the_top_to_its_holder_and_lead(world: World) -> None:
    issued = world.portal.refresh.issue(world.actor(world.member), label="nightly", grant_id=world.grant().id)
    secret = issued.refresh_token or ""
    world.portal.refresh.refresh(secret, client_id=None, key_thumbprint=None)
    with pytest.raises(Unauthenticated):
        world.portal.refresh.refresh(secret, client_id=None, key_thumbprint=None)
    told = [str(error.value) for error in world.screen(world.member, "tokens").error]
    assert len(told) == 1
    assert "came a second time" in told[0]
    assert world.screen(world.coordinator, "tokens").error
    assert not world.screen(world.rival, "tokens").error
    for person in (world.member, world.lead):
        assert "used twice" in said(world.screen(person, "notices"))


@pytest.mark.parametrize("purpose", ["", "misuse-analysis"])
@pytest.mark.parametrize("bound", [False, True])
def test_the_code_to_copy_is_code(purpose: str, bound: bool) -> None:
    found = snippets(Use("https://portal.example", "ladder-l", purpose, bound))
    assert set(found) == {"Python", "openai"} | (set() if bound else {"curl"})
    for name, (language, code) in {**found, "fresh": refreshing("https://portal.example", bound=bound)}.items():
        if language == "python":
            compile(code, name, "exec")
        else:
            assert len(shlex.split(code)) >= 5
        assert ("DPoPKey" in code) is bound
        assert (purpose in code) or name == "fresh"


def test_a_program_is_registered_rotated_suspended_and_ended(world: World) -> None:
    key, other = new_key(), new_key("P-256")
    app = world.screen(world.lead, "tokens")
    app.text_input(key="program.register.name").set_value("Nightly probes")
    app.text_input(key="program.register.contact").set_value("ada@northfield.example")
    (mine,) = jwks_of(key)["keys"]
    app.text_area(key="program.register.jwks").set_value(json.dumps({"keys": [{**mine, "kid": "nightly_2026-11"}]}))
    click(app, "program.register.submit")
    (program,) = world.portal.programs.list(world.actor(world.lead))
    assert program.id in said(app)
    assert "`nightly_2026-11`" in said(app), "as it is, since nothing is escaped in code"
    app.text_area(key=f"program.keys:{program.id}.jwks").set_value(json.dumps(jwks_of(key, other)))
    click(app, f"program.keys:{program.id}.submit")
    assert len(world.portal.programs.get(world.actor(world.lead), program.id).keys) == 2
    for step in ("suspend", "end"):
        click(app, f"program.{step}:{program.id}.open")
        app.text_area(key=f"program.{step}:{program.id}.reason").set_value("The study is over.")
        click(app, f"program.{step}:{program.id}.confirm")
        if step == "suspend":
            click(app, f"program.resume:{program.id}.act")
    assert not world.portal.programs.get(world.actor(world.lead), program.id).active
    assert "The study is over" in said(app)
    assert "Nightly probes" in said(world.screen(world.member, "tokens"))
    assert "Nightly probes" not in said(world.screen(world.rival, "tokens"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}'])
def test_keys_that_are_none_are_refused_in_the_form(world: World, text: str) -> None:
    app = world.screen(world.lead, "tokens")
    app.text_input(key="program.register.name").set_value("Nightly probes")
    app.text_input(key="program.register.contact").set_value("ada@northfield.example")
    app.text_area(key="program.register.jwks").set_value(text)
    click(app, "program.register.submit")
    assert any(code in said(app) for code in ("bad_jwk", "private_key_sent"))
    assert not world.portal.programs.list(world.actor(world.lead))


def test_signing_keys_are_rotated_and_withdrawn(world: World) -> None:
    token = world.portal.tokens.issue(world.actor(world.lead), label="notebook").token
    app = world.screen(world.coordinator, "tokens")
    click(app, "token_key.rotate.act")
    assert world.portal.tokens.authenticate(token).actor.person_id == world.lead.id
    click(app, "token_key.compromised.open")
    app.text_area(key="token_key.compromised.reason").set_value("Found in a repository.")
    click(app, "token_key.compromised.confirm")
    old = world.portal.token_keys.list(world.actor(world.coordinator))[-1]
    click(app, f"token_key.withdraw:{old.kid}.open")
    app.text_area(key=f"token_key.withdraw:{old.kid}.reason").set_value("Found there too.")
    click(app, f"token_key.withdraw:{old.kid}.confirm")
    with pytest.raises(Unauthenticated):
        world.portal.tokens.authenticate(token)


def test_no_picture_of_the_documentation_holds_a_token() -> None:
    pictures = list(PICTURES.rglob("*.png"))
    assert pictures
    marks = (TOKEN_PREFIX.encode(), REFRESH_PREFIX.encode(), b"PRIVATE KEY")
    assert [path.name for path in pictures if any(mark in path.read_bytes() for mark in marks)] == []
