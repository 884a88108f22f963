"""Writes deploy/iam/ from the CloudFormation template, for people who make policies by hand.

`python -m tools.iam` writes; with --check it only says which files differ from it.
"""

import argparse
import json
import re
import sys
from typing import Any

from apps.aws.stack import template
from tools.supervisor import ROOT

FOLDER = ROOT / "deploy" / "iam"

#: What the files have in place of the template's parameters; docs/deploy.md lists them.
PLACEHOLDERS = {
    "AWS::AccountId": "ACCOUNT_ID",
    "AWS::Partition": "aws",
    "AWS::Region": "REGION",
    "ConfigurationSetName": "CONFIGURATION_SET",
    "DomainName": "DOMAIN",
    "Environment": "ENVIRONMENT",
    "FromAddress": "FROM_ADDRESS",
}
#: For each resource type: the property with its name, and its ARN.
ARNS = {
    "AWS::IAM::User": ("UserName", "iam::ACCOUNT_ID:user/{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:REGION:ACCOUNT_ID:log-group:{}:*"),
    # Secrets Manager adds six random characters to each ARN.
    "AWS::SecretsManager::Secret": ("Name", "secretsmanager:REGION:ACCOUNT_ID:secret:{}-??????"),
    "AWS::SNS::Topic": ("TopicName", "sns:REGION:ACCOUNT_ID:{}"),
    "AWS::SQS::Queue": ("QueueName", "sqs:REGION:ACCOUNT_ID:{}"),
}


def files() -> dict[str, str]:
    """Return the content of each file of deploy/iam/, by its name."""
    resources = template.load()["Resources"]
    found: dict[str, Any] = {}
    for name, resource in resources.items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            found[_file_name(name.removesuffix("Policy"))] = properties["PolicyDocument"]
        if resource["Type"] == "AWS::IAM::Role":
            found[_file_name(f"{name}Trust")] = properties["AssumeRolePolicyDocument"]
            for policy in properties.get("Policies", []):
                found[_file_name(f"{name}Policy")] = policy["PolicyDocument"]
    return {
        name: json.dumps(_resolve(document, resources), indent=2) + "\n"
        for name, document in found.items()
    }


def _file_name(logical_id: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", logical_id).lower() + ".json"


def _resolve(value: Any, resources: dict[str, Any]) -> Any:
    """Return the value with text in place of the template's functions."""
    match value:
        case {"Ref": name} if name in PLACEHOLDERS:
            return PLACEHOLDERS[name]
        case {"Ref": name} | {"Fn::GetAtt": [name, "Arn"]}:
            return _arn(resources[name], resources)
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w:]+)\}", lambda name: PLACEHOLDERS[name[1]], text)
        case dict():
            return {key: _resolve(each, resources) for key, each in value.items()}
        case list():
            return [_resolve(each, resources) for each in value]
    return value


def _arn(resource: dict[str, Any], resources: dict[str, Any]) -> str:
    naming_property, arn = ARNS[resource["Type"]]
    return "arn:aws:" + arn.format(_resolve(resource["Properties"][naming_property], resources))


def write() -> None:
    wanted = files()
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_text(content)


def differences() -> list[str]:
    """Return the names of the files that are missing, not in the template, or different."""
    expected = files()
    present = {path.name: path.read_text() for path in FOLDER.iterdir()}
    return sorted(name for name in expected | present if expected.get(name) != present.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if they differ")
    if not parser.parse_args().check:
        write()
        return 0
    for name in differences():
        print(
            f"deploy/iam/{name} is out of date; run: python -m tools.iam",
            file=sys.stderr,
        )
    return 1 if differences() else 0


if __name__ == "__main__":
    sys.exit(main())
