"""Mail over SMTP (RFC 5321): one connection for each letter, TLS where the server has it, no password without TLS."""

import smtplib
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from agreements.errors import Unavailable
from portal.config import Settings

TIMEOUT_S = 10.0
_PORTS = {"smtp": 25, "smtps": 465}


class Mailer:
    """Sends letters through the operator's mail server."""

    def __init__(self, settings: Settings, *, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` verifies the server; by default as the system does. Raises Unavailable ``mail_misconfigured``."""
        self._server = _server(settings.smtp_url or "")
        self._from = settings.mail_from or ""
        self._password_file = settings.smtp_password_file
        self._tls = tls or ssl.create_default_context()
        # How the portal calls itself; without it the library asks the network for this machine's name.
        self._name = urlsplit(settings.url).hostname or "localhost"

    def send(self, *, to: str, name: str, subject: str, text: str, html: str) -> None:
        """Hand one letter to the server, in plain text and HTML.

        Raises Unavailable: ``mail_server_down`` where the server cannot be used at all, ``mail_refused`` where it
        does not take this letter.
        """
        message = self._message(to=to, name=name, subject=subject, text=text, html=html)
        try:
            with self._connected() as server:
                server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPNotSupportedError) as error:
            raise Unavailable(
                "mail_refused", f"The mail server did not take the letter ({type(error).__name__})."
            ) from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise Unavailable(
                "mail_server_down",
                f"The mail server cannot be used ({type(error).__name__}).",
                hint="Check the settings smtp_url, smtp_password_file and mail_from, and the server.",
            ) from None

    def _message(self, *, to: str, name: str, subject: str, text: str, html: str) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"] = self._from
            message["To"] = Address(display_name=name, addr_spec=to)
            message["Subject"] = subject
            # RFC 5322, section 3.6: letters without them are taken for spam, or refused.
            message["Date"] = formatdate(usegmt=True)
            message["Message-ID"] = make_msgid(domain=self._name)
            message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
            message.set_content(text)
            message.add_alternative(html, subtype="html")
        except (MessageError, ValueError, IndexError, AttributeError):
            # What the library raises for an address it cannot parse differs from address to address.
            raise Unavailable("mail_refused", "The address is none that mail can be sent to.") from None
        return message

    def _connected(self) -> smtplib.SMTP:
        host, port = self._server.hostname or "", self._server.port or _PORTS[self._server.scheme]
        if self._server.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, local_hostname=self._name, timeout=TIMEOUT_S, context=self._tls
            )
            encrypted = True
        else:
            server = smtplib.SMTP(host, port, local_hostname=self._name, timeout=TIMEOUT_S)
            encrypted = False
        try:
            server.ehlo()
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=self._tls)
                encrypted = True
            if self._server.username:
                self._log_in(server, encrypted=encrypted)
        except BaseException:
            server.close()
            raise
        return server

    def _log_in(self, server: smtplib.SMTP, *, encrypted: bool) -> None:
        if not encrypted:
            raise Unavailable(
                "mail_unencrypted",
                "The mail server offers no TLS, and a password is not sent without.",
                hint="Use smtps:// or a server with STARTTLS.",
            )
        server.login(unquote(self._server.username or ""), _password(self._password_file))


def _server(url: str) -> SplitResult:
    try:
        server = urlsplit(url)
        usable = server.scheme in _PORTS and bool(server.hostname) and server.port != 0 and server.password is None
    except ValueError:
        usable = False
    if not usable:
        raise Unavailable(
            "mail_misconfigured",
            "The setting smtp_url is not usable.",
            hint="Write smtp://host:port or smtps://user@host:port; a password goes into smtp_password_file.",
        )
    return server


def _password(file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError):
        pass
    raise Unavailable("mail_misconfigured", "The file of the setting smtp_password_file cannot be read.")
