"""Whether the signature of a received e-mail covers the headers of one-click unsubscribing."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.aws.round_trip import signed_headers

BOTH = """List-Unsubscribe: <https://app.rssystems.com/unsubscribe/x/>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
"""
SIGNED = "From:To:Subject:List-Unsubscribe:List-Unsubscribe-Post"


def source(covered: str = SIGNED, headers: str = BOTH) -> str:
    """Return a message with a signature folded as SES folds it, and Amazon's own."""
    folded = covered.replace(":", ":\r\n\t ")
    return (
        "DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=relaxed/simple;\n"
        "\ts=abc; d=rssystems.com; t=1790000000;\n"
        f"\th={folded};\n\tbh=47DEQ==; b=Zm9v\n"
        "DKIM-Signature: v=1; d=amazonses.com; h=From:To; b=x\n"
        f"From: RS <n@rssystems.com>\n{headers}\nHello.\n"
    )


def look(tmp_path: Path, text: str, *options: str) -> tuple[int, str]:
    file, output = tmp_path / "received.eml", StringIO()
    file.write_bytes(text.encode())
    try:
        call_command("aws", "loopback", "--received", str(file), *options, stdout=output)
    except SystemExit as ended:
        return int(ended.code or 0), output.getvalue()
    return 0, output.getvalue()


@pytest.mark.parametrize(
    ("text", "is_covered"),
    [
        (source(), True),
        (source(SIGNED.lower()), True),
        (source("From:To:Subject:List-Unsubscribe"), False),
        (source("From:To"), False),
        (source(headers=""), False),
        (BOTH + "\nHello.", False),
        ("", False),
    ],
    ids=["both", "lower case", "one", "none", "no headers", "no signature", "nothing"],
)
def test_one_signature_must_cover_both_headers(tmp_path: Path, text: str, is_covered: bool) -> None:
    status, said = look(tmp_path, text)
    assert status == (not is_covered)
    assert ("and List-Unsubscribe-Post are signed." in said) is is_covered


def test_each_signature_is_named_with_its_headers(tmp_path: Path) -> None:
    _, said = look(tmp_path, source())
    assert "Signed by rssystems.com: from, list-unsubscribe, list-unsubscribe-post," in said
    assert "Signed by amazonses.com: from, to" in said


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    _, said = look(tmp_path, "From: a@b.example\n\nHello.")
    assert "The message has no List-Unsubscribe and no List-Unsubscribe-Post." in said
    assert "no DKIM-Signature" in said


def test_a_program_reads_it_as_json(tmp_path: Path) -> None:
    status, said = look(tmp_path, source("From:List-Unsubscribe"), "--json")
    answer: dict[str, Any] = json.loads(said)
    assert (status, answer["ok"]) == (1, False)
    assert answer["signatures"][0] == {
        "domain": "rssystems.com",
        "headers": ["from", "list-unsubscribe"],
        "lacks": ["List-Unsubscribe-Post"],
    }


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("aws", "loopback", "--received", str(tmp_path / "nothing.eml"))


def test_two_signatures_that_cover_one_header_each_are_not_enough() -> None:
    text = source("From:List-Unsubscribe").replace("h=From:To;", "h=From:List-Unsubscribe-Post;")
    assert not signed_headers.read(text.encode()).is_covered
