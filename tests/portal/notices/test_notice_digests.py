"""Digests: with content only, once a day at most, by mail or in the portal."""

import ssl
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Invalid, NotFound, Unavailable
from portal.config import load
from portal.notices.digest import LISTED, compose
from portal.notices.mail import Mailer
from tests.portal.notices.certificates import Certificates
from tests.portal.notices.outside import RULE, Post, notice, reopened
from tests.portal.services.world import START, World

MAIL_FROM = "portal@lab.example"


@pytest.fixture
def mailing(world: World, post: Post) -> World:
    return reopened(world, smtp_url=post.url, mail_from=MAIL_FROM)


def send(world: World) -> tuple[int, int]:
    report = world.portal.digests.send_digests(world.clock.now)
    return report.sent, report.failed


def receivers(post: Post) -> list[str]:
    return sorted(letter["to"].addresses[0].addr_spec for letter in post.letters)


def test_each_reader_gets_one_letter_with_their_own(mailing: World, post: Post) -> None:
    mailing.portal.notices.raise_(notice("a", "partner_lead", subject="Sign <b>here</b>", link="/agreements"))
    mailing.portal.notices.raise_(notice("b", "partner_lead", "partner_member", kind="appeal.filed", subject="Appeal"))
    assert send(mailing) == (2, 0)
    assert receivers(post) == ["ben@people.example", "cleo@people.example"]
    [to_ben] = [letter for letter in post.letters if "ben" in letter["to"]]
    assert to_ben["subject"] == "The Lab: 2 notices"
    assert to_ben["from"] == MAIL_FROM
    assert to_ben["auto-submitted"] == "auto-generated"
    plain, html = (to_ben.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    text = plain.get_content()
    assert text.index("Appeals") < text.index("Duties")
    assert "Sign <b>here</b>" in text
    assert f"{mailing.settings.url}/agreements" in text
    assert "Sign &lt;b&gt;here&lt;/b&gt;" in html.get_content()


def test_nobody_gets_an_empty_letter_or_the_same_twice(mailing: World, post: Post) -> None:
    assert send(mailing) == (0, 0)
    mailing.portal.notices.raise_(notice("a"))
    assert send(mailing) == (1, 0)
    mailing.clock.advance(days=2)
    size = mailing.size
    assert send(mailing) == (0, 0)
    assert mailing.size == size
    assert len(post.letters) == 1


def test_a_second_letter_waits_for_the_next_digest_hour(mailing: World, post: Post) -> None:
    mailing.portal.notices.raise_(notice("a"))
    assert send(mailing) == (1, 0)  # START is at nine, the digest hour at six
    mailing.portal.notices.raise_(notice("b"))
    mailing.clock.advance(hours=20, minutes=59)
    assert send(mailing) == (0, 0)
    mailing.clock.advance(minutes=1)
    assert send(mailing) == (1, 0)
    assert [letter["subject"] for letter in post.letters] == ["The Lab: 1 notice"] * 2


def test_what_was_read_is_not_sent(mailing: World) -> None:
    mailing.portal.notices.raise_(notice("a"))
    mailing.portal.notices.mark_read(mailing.actor("ben"), "a")
    assert send(mailing) == (0, 0)


def test_who_left_gets_nothing(mailing: World) -> None:
    mailing.portal.people.deactivate(
        mailing.actor("ada"), mailing.people["ben"].id, reason="left the university", without_lead=True
    )
    mailing.portal.notices.raise_(notice("a"))
    assert send(mailing) == (0, 0)


def test_a_letter_is_recorded_as_the_digests_doing(mailing: World) -> None:
    mailing.portal.notices.raise_(notice("a"))
    send(mailing)
    [entry] = mailing.portal.store.events(types=["notice:delivered"])
    assert entry.actor_id == "auto:digest"
    assert (entry.event.body()["channel"], entry.event.body()["target_id"]) == ("mail", mailing.people["ben"].id)


def test_a_refused_mailbox_is_tried_again_then_given_up_and_keeps_nobody_waiting(mailing: World, post: Post) -> None:
    post.refused.add("ben@people.example")
    mailing.portal.notices.raise_(notice("a", "partner_lead", "partner_member"))
    assert send(mailing) == (1, 1)
    assert send(mailing) == (0, 0)  # not due yet
    tries = 1
    for _ in range(100):
        mailing.clock.advance(hours=3)
        tries += send(mailing)[1]
    assert tries == 10
    [delivery] = [d for d in mailing.portal.notices.state("a").deliveries if d.target_id == mailing.people["ben"].id]
    assert (delivery.status, delivery.next_at) == ("given_up", None)


def test_a_server_that_is_down_loses_nothing(world: World, post: Post) -> None:
    closed = Post()
    with closed:
        address = closed.url
    reopened(world, smtp_url=address, mail_from=MAIL_FROM)
    world.portal.notices.raise_(notice("a"))
    for _ in range(40):
        world.clock.advance(hours=12)
        assert send(world)[0] == 0
    reopened(world, smtp_url=post.url, mail_from=MAIL_FROM)
    world.clock.advance(days=2)
    assert send(world) == (1, 0)


def test_without_mail_it_is_read_in_the_portal(world: World) -> None:
    world.portal.notices.raise_(notice("a"))
    assert not world.portal.digests.by_mail
    assert send(world) == (0, 0)
    digest = world.portal.digests.preview(world.actor("ben"))
    assert "Feedback is due" in digest.text
    assert digest.notice_ids == ("a",)
    assert world.portal.digests.preview(world.actor("dan")).notice_ids == ()
    with pytest.raises(NotFound):
        world.portal.digests.preview(RULE)


def test_since_leaves_out_what_came_before(world: World) -> None:
    world.portal.notices.raise_(notice("a"))
    world.clock.advance(hours=1)
    world.portal.notices.raise_(notice("b"))
    ben = world.people["ben"]
    assert world.portal.digests.digest_for(ben, START, world.clock.now).notice_ids == ("b",)
    assert world.portal.digests.digest_for(ben, None, world.clock.now).notice_ids == ("a", "b")


def test_a_long_list_is_counted_not_spelled_out() -> None:
    told = [notice(f"a/{number}", subject=f"Number {number}") for number in range(LISTED + 5)]
    digest = compose(
        told, person_id="per_a", person_name="Ann", portal_name="Lab", portal_url="http://x", since=None, now=START
    )
    assert digest.text.count("Number ") == LISTED
    assert "And 5 more in your inbox." in digest.text
    assert len(digest.notice_ids) == LISTED + 5


def test_a_password_is_sent_under_tls_only(tmp_path: Path) -> None:
    certificates = Certificates("127.0.0.1")
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    taken: list[LoginPassword] = []

    def authenticate(_server: object, _session: object, _envelope: object, _way: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        taken.append(data)
        return AuthResult(success=data.password == b"open sesame")

    def mailer(port: int, tls: ssl.SSLContext | None = None) -> Mailer:
        settings = load(
            tmp_path,
            smtp_url=f"smtp://mara%40lab@127.0.0.1:{port}",
            mail_from=MAIL_FROM,
            smtp_password_file=str(secret),
        )
        return Mailer(settings, tls=tls)

    letter = {"to": "ann@people.example", "name": "Ann", "subject": "s", "text": "t", "html": "<p>t</p>"}
    with (
        Post({"tls_context": certificates.server(tmp_path), "authenticator": authenticate}) as encrypted,
        Post() as plain,
    ):
        mailer(encrypted.port, certificates.client()).send(**letter)
        assert [(one.login, one.password) for one in taken] == [(b"mara@lab", b"open sesame")]
        assert len(encrypted.letters) == 1
        with pytest.raises(Unavailable) as refused:
            mailer(plain.port).send(**letter)
        assert refused.value.code == "mail_unencrypted"
        with pytest.raises(Unavailable) as refused:  # nobody vouches for the certificate
            mailer(encrypted.port).send(**letter)
        assert refused.value.code == "mail_server_down"
        secret.unlink()
        with pytest.raises(Unavailable) as refused:
            mailer(encrypted.port, certificates.client()).send(**letter)
        assert refused.value.code == "mail_misconfigured"
    assert len(encrypted.letters) == 1
    assert plain.letters == []


@given(st.from_regex(r"^[^@\s]+@[^@\s]+$", fullmatch=True), st.text(max_size=30))
def test_any_registered_address_is_a_letter_or_a_refusal(address: str, name: str) -> None:
    mailer = Mailer(load(Path("unused"), smtp_url="smtp://127.0.0.1:1", mail_from=MAIL_FROM))
    with pytest.raises(Unavailable) as refused:
        mailer.send(to=address, name=name, subject="s", text="t", html="h")
    assert refused.value.code in {"mail_refused", "mail_server_down"}


@pytest.mark.parametrize(
    "settings",
    [
        {"smtp_url": "http://mail.example"},
        {"smtp_url": "smtp://ann:secret@mail.example"},
        {"smtp_url": "smtp://"},
        {"mail_from": "Portal\nBcc: x@y"},
        {"digest_hour": 24},
    ],
)
def test_settings_of_mail_are_checked_when_the_portal_starts(tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        load(tmp_path, **settings)
    assert refused.value.code == "bad_settings"
    assert refused.value.param == next(iter(settings))


def test_tls_from_the_start(tmp_path: Path) -> None:
    certificates = Certificates("127.0.0.1")
    with Post({"ssl_context": certificates.server(tmp_path)}) as post:
        settings = load(tmp_path, smtp_url=post.url.replace("smtp:", "smtps:"), mail_from=MAIL_FROM)
        letter = {"to": "ann@people.example", "name": "Ann Ö., Dr.", "subject": "s", "text": "t", "html": "<p>t</p>"}
        Mailer(settings, tls=certificates.client()).send(**letter)
        with pytest.raises(Unavailable) as refused:
            Mailer(settings).send(**letter)
    assert refused.value.code == "mail_server_down"
    [arrived] = post.letters
    assert arrived["to"].addresses[0].display_name == "Ann Ö., Dr."
