"""`manage.py aws dns`, asked of the sandbox's SES and of a name server of the test's own."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.zone
import pytest
from django.core.management import CommandError, call_command

from apps.aws.account import Account
from apps.aws.doctor import dns_records
from sandbox.ses.account_api import DKIM_TOKENS
from sandbox.testing import HOST, RunningSandbox

DOMAIN, MAIL_FROM = "rssystems.com", "mail.rssystems.com"
ONE, TWO, THREE = (f"{token}._domainkey.{DOMAIN}" for token in DKIM_TOKENS)
MX, SPF = "10 feedback-smtp.us-east-1.amazonses.com.", '"v=spf1 include:amazonses.com ~all"'


class NameServer:
    """Answers over UDP with `zone`, by name and type; a name that is not there is NXDOMAIN."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {
            (ONE, "CNAME"): [f"{DKIM_TOKENS[0]}.dkim.amazonses.com."],
            (TWO, "CNAME"): [f"{DKIM_TOKENS[1]}.DKIM.amazonses.com."],
            (THREE, "CNAME"): [f"{DKIM_TOKENS[2]}.dkim.amazonses.com."],
            (MAIL_FROM, "MX"): [MX],
            (MAIL_FROM, "TXT"): ['"something=else"', SPF],
            (f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=reject"'],
        }
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.address = f"{HOST}:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        # An empty datagram is the word for it.
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()

    def _serve(self) -> None:
        while True:
            asked, client = self.socket.recvfrom(4096)
            if not asked:
                return
            self.socket.sendto(self._answer(dns.message.from_wire(asked)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        [question] = query.question
        name, kind = (
            question.name.to_text(omit_final_dot=True),
            dns.rdatatype.to_text(question.rdtype),
        )
        if (name, kind) in self.zone:
            values = self.zone[name, kind]
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif all(known != name for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@pytest.fixture
def server() -> Iterator[NameServer]:
    made = NameServer()
    with closing(made.socket):
        yield made
        made.stop()


def states(capsys: Any, server: NameServer) -> dict[tuple[str, str], str]:
    call_command("aws", "dns", "--json", f"--nameserver={server.address}")
    answer = json.loads(capsys.readouterr().out)
    assert answer["domain"] == DOMAIN
    return {(each["name"], each["type"]): each["state"] for each in answer["records"]}


def test_three_keys_the_mail_from_and_a_dmarc_record_are_wanted_and_there(
    sandbox: RunningSandbox, server: NameServer, capsys: Any
) -> None:
    found = states(capsys, server)
    assert list(found) == list(server.zone)
    assert set(found.values()) == {"there"}


def test_what_is_missing_or_says_something_else_is_told_apart(
    sandbox: RunningSandbox, server: NameServer, capsys: Any
) -> None:
    del server.zone[ONE, "CNAME"]
    server.zone[TWO, "CNAME"] = ["other.dkim.amazonses.com."]
    server.zone[MAIL_FROM, "MX"].append("20 mx.example.com.")
    server.zone[MAIL_FROM, "TXT"] = ['"v=spf1 -all"']
    server.zone[f"_dmarc.{DOMAIN}", "TXT"] = ['"nothing"']
    assert states(capsys, server) == {
        (ONE, "CNAME"): "missing",
        (TWO, "CNAME"): "different",
        (THREE, "CNAME"): "there",
        (MAIL_FROM, "MX"): "different",
        (MAIL_FROM, "TXT"): "different",
        (f"_dmarc.{DOMAIN}", "TXT"): "different",
    }


def test_without_a_dns_answer_only_one_look_up_is_waited_for(
    sandbox: RunningSandbox, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_records, "LOOKUP_S", 0.2)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind((HOST, 0))
        call_command("aws", "dns", f"--nameserver={HOST}:{silent.getsockname()[1]}")
        silent.setblocking(False)
        asked = dns.message.from_wire(silent.recv(4096)).question[0].name.to_text()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(line.endswith("could not be looked up") for line in lines)
    assert asked == f"{ONE}."


def test_the_table_has_a_line_for_each_record(
    sandbox: RunningSandbox, server: NameServer, capsys: Any
) -> None:
    call_command("aws", "dns", f"--nameserver={server.address}")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == [ONE, "CNAME", f"{DKIM_TOKENS[0]}.dkim.amazonses.com", "there"]
    assert lines[3] == [MAIL_FROM, "MX", "10", "feedback-smtp.us-east-1.amazonses.com", "there"]


def test_the_zone_file_is_one_and_looks_nothing_up(sandbox: RunningSandbox, capsys: Any) -> None:
    call_command("aws", "dns", "--zone", "--nameserver=127.0.0.1:9")
    zone = dns.zone.from_text(capsys.readouterr().out, origin=f"{DOMAIN}.", check_origin=False)
    assert zone.find_rdataset("mail", "MX")[0].to_text() == MX
    assert zone.find_rdataset("mail", "TXT")[0].to_text() == SPF
    assert len([name for name in zone if name.to_text().endswith("._domainkey")]) == 3
    assert "@" not in zone, "the domain itself gets no MX: that would take its mail away"


def test_reports_go_to_the_administrator_if_that_is_the_same_domain(
    sandbox: RunningSandbox, settings: Any, capsys: Any
) -> None:
    settings.ADMIN_EMAIL = "admin@rssystems.com"
    call_command("aws", "dns", "--zone")
    assert '"v=DMARC1; p=none; rua=mailto:admin@rssystems.com"' in capsys.readouterr().out
    settings.ADMIN_EMAIL = "admin@elsewhere.example"
    call_command("aws", "dns", "--zone")
    assert '"v=DMARC1; p=none"' in capsys.readouterr().out


def test_without_a_mail_from_domain_one_is_proposed(sandbox: RunningSandbox, capsys: Any) -> None:
    sandbox.account(mail_from_domain="")
    call_command("aws", "dns", "--zone")
    assert "mail.rssystems.com. 3600 IN MX 10 feedback-smtp" in capsys.readouterr().out


def test_a_subdomain_that_sends_by_its_parent_needs_the_parent_s_records(
    sandbox: RunningSandbox, server: NameServer, settings: Any, capsys: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "RS Systems <notes@fleet.rssystems.com>"
    call_command("aws", "dns", "--json", f"--nameserver={server.address}")
    found = json.loads(capsys.readouterr().out)["records"]
    assert [(each["name"], each["type"]) for each in found] == list(server.zone)
    assert {each["state"] for each in found} == {"there"}


def test_a_subdomain_has_the_dmarc_record_of_its_organization(
    sandbox: RunningSandbox, server: NameServer, settings: Any, capsys: Any
) -> None:
    sandbox.account(identity="fleet.rssystems.com")
    settings.DEFAULT_FROM_EMAIL = "notes@fleet.rssystems.com"
    call_command("aws", "dns", "--json", f"--nameserver={server.address}")
    *_, dmarc = json.loads(capsys.readouterr().out)["records"]
    assert (dmarc["name"], dmarc["state"]) == ("_dmarc.fleet.rssystems.com", "there")


OWN_KEY = {
    "VerifiedForSendingStatus": True,
    "DkimAttributes": {
        "SigningEnabled": True,
        "Status": "SUCCESS",
        "Tokens": ["ours2026"],
        "SigningAttributesOrigin": "EXTERNAL",
    },
    "MailFromAttributes": {"MailFromDomain": MAIL_FROM},
}
SELECTOR = f"ours2026._domainkey.{DOMAIN}"


@pytest.mark.parametrize(
    ("published", "state"),
    [
        ('"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3"', "there"),
        ('"p=MIGfMA0GCSqGSIb3"', "there"),
        ('"v=DKIM1; p="', "different"),
        (None, "missing"),
    ],
)
def test_a_dkim_key_of_our_own_is_a_text_record_at_its_selector(
    server: NameServer,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    published: str | None,
    state: str,
) -> None:
    monkeypatch.setattr(Account, "ask", lambda *_, **__: OWN_KEY)
    if published:
        server.zone[SELECTOR, "TXT"] = [published]
    found = states(capsys, server)
    assert found.pop((SELECTOR, "TXT")) == state
    assert {kind for _, kind in found} == {"MX", "TXT"}
    call_command("aws", "dns", "--zone")
    assert f"; {SELECTOR}. TXT: v=DKIM1" in capsys.readouterr().out


def test_a_domain_that_ses_does_not_know_is_a_sentence(
    sandbox: RunningSandbox, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "us@other.example"
    with pytest.raises(CommandError, match=r"other\.example in us-east-1: AWS does not know it"):
        call_command("aws", "dns")


def test_a_name_server_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match=r"'dns\.example' is no address"):
        call_command("aws", "dns", "--nameserver=dns.example")
