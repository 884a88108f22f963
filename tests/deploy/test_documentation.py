"""docs/deploy.md names commands, files and parameters that exist."""

import json
import re

from apps.aws.management.commands.aws import Command
from apps.aws.stack import parameters
from tools.supervisor import ROOT

TEXT = (ROOT / "docs" / "deploy.md").read_text()


def test_the_parameters_of_its_example_are_those_of_the_template() -> None:
    [example] = re.findall(r"```\n({.*?})\n```", TEXT, re.DOTALL)
    values = {
        name: parameters.Value(text, "deploy.md") for name, text in json.loads(example).items()
    }
    parameters.check(values)
    parameters.check_complete(values, {})


def test_every_aws_command_that_it_names_is_there() -> None:
    parser = Command().create_parser("manage.py", "aws")
    for line in set(re.findall(r"manage\.py aws ([a-z-]+)", TEXT)):
        parser.parse_args([line])


def test_every_file_that_it_names_is_there() -> None:
    for path in re.findall(r"deploy/[a-z]+/[\w.-]+\.\w+", TEXT):
        assert (ROOT / path).is_file(), path


def test_no_command_shows_a_password_in_the_process_list() -> None:
    """Every user of a host can read the arguments of all its processes."""
    files = [
        ROOT / "README.md",
        ROOT / "Procfile",
        *(ROOT / "docs").glob("*.md"),
        *(path for path in (ROOT / "deploy" / "systemd").rglob("*") if path.is_file()),
    ]
    shown = re.compile(r"--(basic[-_]auth|password|broker)[= ]\S+|redis-cli\b.* -a ")
    assert [
        f"{path.name}: {line}"
        for path in files
        for line in path.read_text().splitlines()
        if shown.search(line)
    ] == []
