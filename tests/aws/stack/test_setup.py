"""`aws plan` and `aws setup`, whole: SES and SNS are the sandbox, CloudFormation is a stub."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.aws.doctor import examination
from apps.aws.management.commands import _setup
from apps.aws.stack import change_set, template
from apps.core.audit.findings import Status
from sandbox.testing import RunningSandbox
from tests.support.cloudformation import (
    BROKER_SECRET,
    NAME,
    ROLE,
    CloudFormation,
    change,
    event,
)

WITHOUT_CACHE = ("--parameter", "CreateCache=false")
REQUEST = ("--request-production-access", "--website", "https://rssystems.example")
FAULTY = {
    "production_access": False,
    "review_status": "",
    "sms_attributes": {"MonthlySpendLimit": "1"},
}
WRITE = re.compile(r"\w+:(?!Describe|Get|List)\w+")
CHANGES = [
    change("Add", "EventTopic", "AWS::SNS::Topic"),
    change("Add", "SmtpUser", "AWS::IAM::User"),
]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the exit status of `aws …`, and its output; what stopped it comes last."""

    def run_it(*words: str) -> tuple[int, str]:
        status, stopped = 0, ""
        try:
            call_command("aws", *words)
        except SystemExit as ended:
            status = int(ended.code or 0)
        except CommandError as error:
            status, stopped = error.returncode, str(error)
        return status, capsys.readouterr().out + stopped

    return run_it


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Has a person at the terminal give these answers; the questions that were asked."""

    def give(*words: str) -> list[str]:
        asked: list[str] = []
        left = list(words)

        def answer(question: str) -> str:
            asked.append(question)
            return left.pop(0)

        monkeypatch.setattr("builtins.input", answer)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        return asked

    return give


def plans_a_new_stack(cloud: CloudFormation) -> None:
    cloud.has_no_stack()
    cloud.makes_change_set("CREATE")
    cloud.describes_change_set("CREATE_COMPLETE", CHANGES)


def makes_a_new_stack(cloud: CloudFormation) -> None:
    plans_a_new_stack(cloud)
    cloud.makes_the_stack("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    cloud.has_stack()


def finds_the_stack_as_it_should_be(cloud: CloudFormation) -> None:
    cloud.updates_nothing(CreateCache="false")
    cloud.has_stack()
    cloud.takes_it_back()


def writes(calls: list[str]) -> list[str]:
    return [call for call in calls if WRITE.fullmatch(call)]


def attributes(sandbox: RunningSandbox) -> dict[str, str]:
    return dict(sandbox.account()["sms_attributes"])


def test_the_plan_shows_what_would_be_done_and_changes_nothing(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, calls: list[str]
) -> None:
    before = sandbox.account(**FAULTY)
    plans_a_new_stack(cloud)
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    status, printed = run("plan", *WITHOUT_CACHE, *REQUEST)
    assert status == 0
    assert f"The stack {NAME} in us-east-1: does not exist yet" in printed
    assert re.search(r"CreateCache +\(none\) -> false +--parameter\n", printed)
    assert re.search(r"SmsMonthlySpendLimitUsd +\(none\) -> 50 +SMS_MONTHLY_SPEND_LIMIT", printed)
    assert re.search(r"DailyEmailQuota +\(none\) -> 50000 +SES's quota\n", printed)
    assert re.search(r"Add +EventTopic +AWS::SNS::Topic\n", printed)
    assert re.search(r"MonthlySpendLimit +1 -> 50\n", printed)
    assert re.search(r"DeliveryStatusIAMRole +\(none\) -> the stack's SmsDelivery", printed)
    assert "SES's production access: to be requested" in printed
    assert "| We expect about 1,000 e-mails a day to begin with." in printed
    assert printed.endswith("nothing was changed\n")
    assert sandbox.account() == before
    assert writes(calls) == [
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DeleteStack",
    ]


def test_the_plan_as_json_is_one_object(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run
) -> None:
    sandbox.account(**FAULTY)
    plans_a_new_stack(cloud)
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    answer = json.loads(run("plan", "--json", *WITHOUT_CACHE, *REQUEST)[1])
    assert answer.keys() == {
        "stack",
        "parameters",
        "changes",
        "sms",
        "production_access",
        "request",
        "is_empty",
    }
    assert answer["stack"] == {"name": NAME, "region": "us-east-1", "status": None}
    assert [each["id"] for each in answer["changes"]] == ["EventTopic", "SmtpUser"]
    assert {"name": "MonthlySpendLimit", "now": "1", "wanted": "50"} in answer["sms"]
    assert answer["request"]["website"] == "https://rssystems.example"
    assert answer["is_empty"] is False


def test_what_is_lost_with_a_change_stands_out(cloud: CloudFormation, run: Run) -> None:
    cloud.has_stack(CreateCache="false", DomainName="example.com")
    cloud.makes_change_set("UPDATE")
    cloud.describes_change_set(
        "CREATE_COMPLETE",
        [
            change(
                "Modify", "DomainIdentity", "AWS::SES::EmailIdentity", "True", "ReplaceAndRetain"
            ),
            change("Remove", "EventQueue", "AWS::SQS::Queue", "", "Delete"),
        ],
    )
    cloud.takes_it_back()
    printed = run("plan")[1]
    assert re.search(r"DomainName +example.com -> rssystems.com +DEFAULT_FROM_EMAIL\n", printed)
    assert re.search(r"Replace +DomainIdentity .* what there was is kept\n", printed)
    assert re.search(r"Remove +EventQueue .* !! LOST WITH IT: the messages that wait", printed)


def test_set_up_twice_does_everything_once_and_the_doctor_is_content(
    cloud: CloudFormation, healthy: RunningSandbox, run: Run, calls: list[str]
) -> None:
    healthy.account(**FAULTY)
    makes_a_new_stack(cloud)
    status, printed = run("setup", "--yes", *WITHOUT_CACHE, *REQUEST)
    assert status == 0
    assert writes(calls) == [
        "cloudformation:CreateChangeSet",
        "cloudformation:ExecuteChangeSet",
        "sns:SetSMSAttributes",
        "sns:SetSMSAttributes",
        "sesv2:PutAccountDetails",
    ]
    assert attributes(healthy) == {
        "DefaultSMSType": "Transactional",
        "DefaultSenderID": "RSSystems",
        "DeliveryStatusIAMRole": ROLE,
        "DeliveryStatusSuccessSamplingRate": "100",
        "MonthlySpendLimit": "50",
    }
    assert healthy.account()["review_status"] == "PENDING"
    assert "[1/4] The stack: done; 2 changed resources" in printed
    assert "\nAWS_SES_REGION=us-east-1\n" in printed
    assert "SecretArn=" not in printed
    assert "Copy CELERY_BROKER_URL into the same secret" in printed
    assert f"--secret-id {BROKER_SECRET}` shows it." in printed
    assert "create-access-key --user-name rs-systems-development-us-east-1-ses-smtp" in printed

    calls.clear()
    finds_the_stack_as_it_should_be(cloud)
    status, printed = run("setup", "--yes", *WITHOUT_CACHE, *REQUEST)
    assert status == 0
    assert "\nNothing to do.\n" in printed
    # The change set is empty, and is the one thing that is made, to know that.
    assert writes(calls) == ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"]

    healthy.account(production_access=True, review_status="GRANTED")
    doubted = [line for line in examination.examine() if line.finding.status != Status.OK]
    assert doubted == []


def test_set_up_as_json_is_one_object_without_a_secret(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run
) -> None:
    makes_a_new_stack(cloud)
    status, printed = run("setup", "--yes", "--json", *WITHOUT_CACHE)
    answer = json.loads(printed)
    assert (status, answer["ok"]) == (0, True)
    assert [step["state"] for step in answer["steps"]] == [
        "done",
        "done",
        "nothing to do",
        "nothing to do",
    ]
    assert answer["variables"] == {
        "AWS_SES_REGION": "us-east-1",
        "AWS_SES_CONFIGURATION_SET": "rs-systems-notifications",
    }
    assert answer["left_to_do"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_without_a_terminal_to_ask_on_nothing_is_begun(
    cloud: CloudFormation, run: Run, calls: list[str], options: tuple[str, ...]
) -> None:
    status, printed = run("setup", *options)
    assert status == 1
    assert printed == "there is no terminal to ask on, and nothing was changed. Give --yes."
    assert calls == []


def test_a_no_changes_nothing(
    cloud: CloudFormation,
    sandbox: RunningSandbox,
    run: Run,
    calls: list[str],
    answers: Callable[..., list[str]],
) -> None:
    before = sandbox.account(**FAULTY)
    asked = answers("")
    plans_a_new_stack(cloud)
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    status, printed = run("setup", *WITHOUT_CACHE)
    assert status == 0
    assert printed.endswith("nothing was changed\n")
    assert asked == ["Carry this out? [y/N] "]
    assert sandbox.account() == before
    assert "cloudformation:ExecuteChangeSet" not in calls


@pytest.mark.parametrize(("answer", "review"), [("y", "PENDING"), ("", "")])
def test_production_access_is_a_question_of_its_own(
    cloud: CloudFormation,
    sandbox: RunningSandbox,
    run: Run,
    answers: Callable[..., list[str]],
    answer: str,
    review: str,
) -> None:
    sandbox.account(**FAULTY)
    asked = answers("y", answer)
    makes_a_new_stack(cloud)
    status, printed = run("setup", *WITHOUT_CACHE, "--website", "https://rssystems.example")
    assert status == 0
    assert asked[1].startswith("Also ask AWS for production access")
    assert "| RS Systems repairs windshields" in printed
    assert sandbox.account()["review_status"] == review


def test_without_the_option_no_case_is_opened(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, calls: list[str]
) -> None:
    sandbox.account(**FAULTY)
    makes_a_new_stack(cloud)
    printed = run("setup", "--yes", *WITHOUT_CACHE)[1]
    assert "sesv2:PutAccountDetails" not in calls
    assert "SES's production access: waits; not requested; --request-production-access" in printed


@pytest.mark.parametrize(
    ("review", "options", "is_asked"),
    [
        ("", (), True),
        ("FAILED", (), True),
        ("PENDING", ("--request-again",), False),
        ("DENIED", (), False),
        ("DENIED", ("--request-again",), True),
        ("GRANTED", ("--request-again",), False),
    ],
)
def test_a_case_is_opened_once_and_again_only_after_a_denial_on_request(
    cloud: CloudFormation,
    sandbox: RunningSandbox,
    run: Run,
    calls: list[str],
    review: str,
    options: tuple[str, ...],
    is_asked: bool,
) -> None:
    sandbox.account(production_access=False, review_status=review)
    makes_a_new_stack(cloud)
    status, _ = run("setup", "--yes", *WITHOUT_CACHE, *REQUEST, *options)
    assert status == 0
    assert ("sesv2:PutAccountDetails" in calls) is is_asked


def test_aws_is_told_the_use_case_in_our_words_or_in_those_that_are_given(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, tmp_path: Path
) -> None:
    sandbox.account(**FAULTY)
    text = tmp_path / "use-case.txt"
    text.write_text("Windshields, and nothing else.\n")
    makes_a_new_stack(cloud)
    contacts = ("--contact", "a@rssystems.example", "--contact", "b@rssystems.example")
    run("setup", "--yes", *WITHOUT_CACHE, *REQUEST, "--use-case-file", str(text), *contacts)
    assert sandbox.account()["details"] == {
        "MailType": "TRANSACTIONAL",
        "WebsiteURL": "https://rssystems.example",
        "ContactLanguage": "EN",
        "UseCaseDescription": "Windshields, and nothing else.",
        "AdditionalContactEmailAddresses": ["a@rssystems.example", "b@rssystems.example"],
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "http://localhost:8000 is no address that AWS can look at"),
        (("--website", "https://x.example", "--use-case", "x" * 5001), "has 5,001 characters"),
        (("--website", "https://x.example", *(["--contact", "a@x.example"] * 5)), "4 contacts"),
        (("--use-case-file", "/nowhere"), "/nowhere cannot be read"),
    ],
)
def test_a_request_that_ses_would_not_take_stops_before_any_call(
    cloud: CloudFormation, run: Run, calls: list[str], options: tuple[str, ...], words: str
) -> None:
    status, printed = run("plan", "--request-production-access", *options)
    assert status == 1
    assert words in printed
    assert calls == []


def test_a_limit_above_what_aws_granted_waits_and_the_rest_is_set(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run
) -> None:
    sandbox.account(**FAULTY, sms_spend_quota=1)
    makes_a_new_stack(cloud)
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 0
    assert "waits; SNS takes no MonthlySpendLimit of 50 USD" in printed
    assert "Ask AWS for a higher spending quota" in printed
    set_now = attributes(sandbox)
    assert (set_now["MonthlySpendLimit"], set_now["DefaultSMSType"]) == ("1", "Transactional")


def test_a_second_environment_of_the_account_leaves_its_attributes_alone(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, calls: list[str], settings: Any
) -> None:
    sandbox.account(**FAULTY)
    plans_a_new_stack(cloud)
    cloud.makes_the_stack("CREATE_COMPLETE")
    cloud.has_stack()
    settings.AWS_SNS_REGION_NAME = "us-west-2"
    status, printed = run("setup", "--yes", "--no-sms", *WITHOUT_CACHE)
    assert (status, attributes(sandbox)) == (0, {"MonthlySpendLimit": "1"})
    assert "[2/2] SES's production access" in printed
    assert not [call for call in calls if call.startswith("sns:")]


def test_texts_of_another_region_than_the_stack_s_are_not_set_up(
    sandbox: RunningSandbox, run: Run, calls: list[str], settings: Any
) -> None:
    settings.AWS_SNS_REGION_NAME = "us-west-2"
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 1
    assert "AWS_SNS_REGION is us-west-2, and everything would be set up in us-east-1" in printed
    assert "--no-sms" in printed
    assert calls == []


def test_a_failure_half_way_names_its_step_and_the_next_run_goes_on(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, calls: list[str]
) -> None:
    sandbox.account(**FAULTY, denied=["sns:SetSMSAttributes"])
    makes_a_new_stack(cloud)
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 1
    assert (
        "Stopped at step 2 of 4, SNS's attributes of text messages: not allowed: needs "
        "sns:SetSMSAttributes. Allow sns:SetSMSAttributes to the caller" in printed
    )
    assert "- The stack: done\n" in printed
    assert "- SES's production access: not begun\n" in printed
    assert "run the same command again: what is done is not done twice." in printed

    calls.clear()
    sandbox.account(denied=[])
    finds_the_stack_as_it_should_be(cloud)
    status, printed = run("setup", "--yes")
    assert status == 0
    assert "[1/4] The stack: nothing to do" in printed
    assert writes(calls).count("sns:SetSMSAttributes") == 2
    assert "cloudformation:ExecuteChangeSet" not in calls


def test_a_stack_that_fails_begins_nothing_else(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, calls: list[str]
) -> None:
    sandbox.account(**FAULTY)
    plans_a_new_stack(cloud)
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))
    cloud.executes()
    cloud.tells(
        event(2, "ROLLBACK_COMPLETE"),
        event(1, "CREATE_FAILED", "Secret", "AWS::SecretsManager::Secret", "It exists already"),
        event(0, "REVIEW_IN_PROGRESS"),
    )
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 1
    assert "Stopped at step 1 of 4, The stack" in printed
    assert "is ROLLBACK_COMPLETE: Secret: It exists already. It can only be deleted" in printed
    assert attributes(sandbox) == {"MonthlySpendLimit": "1"}


def test_ctrl_c_while_cloudformation_works_says_that_it_goes_on(
    cloud: CloudFormation, run: Run, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    plans_a_new_stack(cloud)
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))
    cloud.executes()
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("apps.aws.stack.stack.time.sleep", interrupt)
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 1
    assert (
        "interrupted; CloudFormation goes on by itself. Watch it with `aws cloudformation"
        in printed
    )
    assert "cloudformation:DeleteChangeSet" not in calls


def test_without_an_answer_it_says_that_cloudformation_goes_on(
    cloud: CloudFormation, run: Run
) -> None:
    plans_a_new_stack(cloud)
    cloud.tells(event(0, "REVIEW_IN_PROGRESS"))
    cloud.executes()
    cloud.refuse("describe_stack_events", "Throttling", "Rate exceeded")
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 1
    assert "AWS is busy: Throttling; CloudFormation goes on by itself. Watch it" in printed


@pytest.mark.parametrize("command", [("plan",), ("setup", "--yes")])
def test_ctrl_c_before_it_changes_nothing(
    cloud: CloudFormation,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    def interrupt(plan: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(_setup, "_plan_lines", interrupt)
    plans_a_new_stack(cloud)
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    status, printed = run(*command, *WITHOUT_CACHE)
    assert status == 130
    assert "Interrupted" in printed


def test_what_may_not_be_looked_at_is_a_line_of_the_plan(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run
) -> None:
    sandbox.account(denied=["ses:GetAccount", "sns:GetSMSAttributes"])
    plans_a_new_stack(cloud)
    cloud.deletes_change_set()
    cloud.deletes_the_empty_stack()
    status, printed = run("plan", *WITHOUT_CACHE)
    assert status == 0
    assert "SES's production access: not allowed to look: needs ses:GetAccount" in printed
    assert "    not allowed to look: needs sns:GetSMSAttributes" in printed


def test_a_parameter_without_a_value_keeps_that_of_the_stack(
    cloud: CloudFormation, sandbox: RunningSandbox, run: Run, tmp_path: Path
) -> None:
    sandbox.account(max_24_hour_send=-1)
    file = tmp_path / "parameters.json"
    file.write_text('{"QueueDepth": 500, "EventAgeSeconds": 60, "ApplicationAlarms": false}')
    cloud.has_stack(CreateCache="false", MailFromSubdomain="bounces", Gone="1", QueueDepth="2")
    cloud.makes_change_set(
        "UPDATE",
        [
            {"ParameterKey": "Environment", "ParameterValue": "development"},
            {"ParameterKey": "AdminEmail", "ParameterValue": "admin@rssystems.com"},
            {"ParameterKey": "DomainName", "ParameterValue": "rssystems.com"},
            {"ParameterKey": "MailFromSubdomain", "UsePreviousValue": True},
            {"ParameterKey": "FromAddress", "ParameterValue": "notifications@rssystems.com"},
            {"ParameterKey": "ConfigurationSetName", "ParameterValue": "rs-systems-notifications"},
            {"ParameterKey": "CreateCache", "UsePreviousValue": True},
            {"ParameterKey": "ApplicationAlarms", "ParameterValue": "false"},
            {"ParameterKey": "SmsMonthlySpendLimitUsd", "ParameterValue": "50"},
            {"ParameterKey": "QueueDepth", "ParameterValue": "700"},
            {"ParameterKey": "EventAgeSeconds", "ParameterValue": "60"},
        ],
        template.PATH.read_text(),
    )
    cloud.describes_change_set("CREATE_COMPLETE", CHANGES)
    cloud.takes_it_back()
    assert run("plan", "--parameters", str(file), "--parameter", "QueueDepth=700")[0] == 0


def test_the_sandbox_s_stack_is_made_changed_and_left_alone(
    sandbox: RunningSandbox, run: Run, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same commands, with nothing stubbed, on the template as it is."""
    monkeypatch.setattr(change_set, "POLL_S", 0)
    sandbox.account(**FAULTY)
    assert run("plan", *WITHOUT_CACHE)[0] == 0
    planned = writes(calls)
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 0
    assert re.search(r"CREATE_COMPLETE  EventTopic  AWS::SNS::Topic\n", printed)
    assert "Cache" not in re.sub("CreateCache", "", printed)
    assert "\nSMS_DELIVERY_LOG_GROUP=sns/us-east-1/000000000000/DirectPublish" in printed
    assert attributes(sandbox)["DeliveryStatusIAMRole"] == (
        "arn:aws:iam:us-east-1:000000000000:rs-systems-development-us-east-1-sms-status"
    )

    calls.clear()
    status, printed = run("setup", "--yes")
    assert (status, "\nNothing to do.\n" in printed) == (0, True)
    assert writes(calls) == ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"]
    assert planned[-1] == "cloudformation:DeleteStack"

    status, printed = run("setup", "--yes", "--parameter", "WebhookHost=app.example.com")
    assert status == 0
    assert re.search(
        r"\n  changes\n    Add  WebhookSubscription  AWS::SNS::Subscription\n", printed
    )


def test_a_change_of_parameters_alone_is_carried_out(sandbox: RunningSandbox, run: Run) -> None:
    run("setup", "--yes", *WITHOUT_CACHE)
    status, printed = run("setup", "--yes", "--parameter", "CacheNodes=3")
    assert status == 0
    assert "  changes: of parameters, outputs or tags, and of no resource\n" in printed
    assert "[1/4] The stack: done; 0 changed resources" in printed
    assert "\nNothing to do.\n" in run("setup", "--yes")[1]


def test_a_failed_update_is_rolled_back_and_made_by_the_next_run(
    sandbox: RunningSandbox, run: Run
) -> None:
    run("setup", "--yes", *WITHOUT_CACHE)
    sandbox.account(stack_fails_at="WebhookSubscription")
    webhook = ("--parameter", "WebhookHost=app.example.com")
    status, printed = run("setup", "--yes", *webhook)
    assert status == 1
    assert "is UPDATE_ROLLBACK_COMPLETE: WebhookSubscription: The sandbox was told to" in printed
    assert "All is as it was before: fix what failed, and run the same command" in printed
    sandbox.account(stack_fails_at="")
    status, printed = run("setup", "--yes", *webhook)
    assert (status, "[1/4] The stack: done; 1 changed resource" in printed) == (0, True)


def test_a_first_stack_that_fails_at_the_sandbox_is_to_be_deleted(
    sandbox: RunningSandbox, run: Run
) -> None:
    sandbox.account(stack_fails_at="Secret")
    assert run("setup", "--yes", *WITHOUT_CACHE)[0] == 1
    status, printed = run("setup", "--yes", *WITHOUT_CACHE)
    assert status == 1
    assert printed.endswith(
        f"the stack {NAME} is ROLLBACK_COMPLETE. It can only be deleted: `aws cloudformation "
        f"delete-stack --stack-name {NAME} --region us-east-1`; then run the same command again."
    )


class ClosedPipe:
    asked = 0

    def write(self, msg: str, style_func: Any = None) -> None:
        self.asked += 1
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_closed_pipe_stops_no_progress() -> None:
    closed = ClosedPipe()
    _setup.Terminal(closed, closed, is_json=False).tell("still at work")
    assert closed.asked == 1
