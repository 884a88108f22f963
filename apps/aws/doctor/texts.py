"""Checks of text messages: SNS's account, and our own budget of the month."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.aws.account import Account, NotThere
from apps.core.audit.findings import Finding, Unseen, fail, ok, warn
from apps.core.guards import sms_budget as budgets
from apps.core.models import Contact, SMSSpend, Suppression
from apps.core.states import Channel

#: US dollars that a new account may spend in a month
#: (https://docs.aws.amazon.com/sns/latest/dg/channels-sms-awssupport-spend-threshold.html).
FIRST_SPEND_LIMIT = Decimal(1)
#: The share of the month's budget from which to warn.
SPEND_WARNING = Decimal("0.8")


def _sns(account: Account, action: str, **parameters: Any) -> dict[str, Any]:
    _skip_where_off()
    return account.ask("sns", action, settings.AWS_SNS_REGION_NAME, **parameters)


def _skip_where_off() -> None:
    if not settings.SMS_ENABLED:
        raise Unseen(ok("text messages are switched off"))


def _attributes(account: Account) -> dict[str, str]:
    return dict(_sns(account, "GetSMSAttributes").get("attributes", {}))


def enabled(account: Account) -> Finding:
    """Check that text messages are switched on."""
    if not settings.SMS_ENABLED:
        return warn(
            "SMS_ENABLED is false: what would go by text alone goes by e-mail",
            "Set SMS_ENABLED=true when SNS is ready.",
        )
    return ok("SMS_ENABLED is true")


def production_access(account: Account) -> Finding:
    """Check that the account is out of SNS's SMS sandbox."""
    if not _sns(account, "GetSMSSandboxAccountStatus")["IsInSandbox"]:
        return ok("SNS texts anybody")
    found, do = (
        "the account is in SNS's SMS sandbox: ten verified numbers only",
        "Exit the SMS sandbox in the console; the USA also want a registered number.",
    )
    return fail(found, do) if settings.ENVIRONMENT == "production" else warn(found, do)


def spend_limit(account: Account) -> Finding:
    """Check that AWS's limit of the month is the same as ours."""
    theirs = Decimal(_attributes(account).get("MonthlySpendLimit", FIRST_SPEND_LIMIT))
    ours = settings.SMS_MONTHLY_SPEND_LIMIT_USD
    found = f"MonthlySpendLimit is {theirs:.2f} USD, SMS_MONTHLY_SPEND_LIMIT_USD {ours:.2f}"
    if theirs < ours:
        return fail(
            f"{found}: AWS drops texts before our own budget knows",
            "Ask AWS for more and then run `manage.py aws setup`, or lower ours.",
        )
    if theirs > ours:
        return warn(
            f"{found}: AWS's would not stop what ours should have",
            "Run `manage.py aws setup`, which sets both alike: AWS's is the safety net.",
        )
    return ok(f"both limits are {ours:.2f} USD a month")


def budget(account: Account) -> Finding:
    """Check how much of our own budget of the month is used."""
    month = SMSSpend.objects.filter(month=budgets.this_month()).first()
    spent, limit = month.committed_usd if month else 0, settings.SMS_MONTHLY_SPEND_LIMIT_USD
    found = f"{spent:.2f} of {limit:.2f} USD this month"
    if month and month.refused_at:
        return warn(
            f"{found}, and a text was refused for it",
            "Raise SMS_MONTHLY_SPEND_LIMIT_USD and MonthlySpendLimit, or let e-mail stand in.",
        )
    if spent >= SPEND_WARNING * limit:
        return warn(found, "Raise SMS_MONTHLY_SPEND_LIMIT_USD before it is spent.")
    return ok(found)


def message_type(account: Account) -> Finding:
    """Check the account's default type; ours are sent as transactional in any case."""
    kind = _attributes(account).get("DefaultSMSType", "Promotional")
    if kind == "Transactional":
        return ok("transactional by default")
    return warn(f"DefaultSMSType is {kind}", "Run `manage.py aws setup`, which sets it.")


def delivery_log(account: Account) -> Finding:
    """Check that SNS logs the outcome of every text."""
    attributes = _attributes(account)
    if not attributes.get("DeliveryStatusIAMRole"):
        return warn(
            "delivery-status logging is off, so the outcome of a text stays unknown",
            "Run `manage.py aws setup`: it sets the role that may write to CloudWatch Logs.",
        )
    rate = attributes.get("DeliveryStatusSuccessSamplingRate", "0")
    if rate != "100":
        return warn(
            f'{rate} % of the successes are logged, so most texts stay "accepted"',
            "Run `manage.py aws setup`, which sets DeliveryStatusSuccessSamplingRate to 100.",
        )
    return ok("every text is logged")


def log_group(account: Account) -> Finding:
    """Check that SNS's log can be read."""
    _skip_where_off()
    group = settings.SMS_DELIVERY_LOG_GROUP
    if not group:
        return warn(
            "SMS_DELIVERY_LOG_GROUP is empty, so the outcome of a text is not read",
            "Set it, as in sns/us-east-1/123456789012/DirectPublishToPhoneNumber.",
        )
    since = int(timezone.now().timestamp() * 1000)
    parameters = {"logGroupName": group, "startTime": since, "limit": 1}
    try:
        _logs(account, parameters)
    except NotThere:
        return warn(
            f"there is no log group {group} yet",
            "SNS makes it with the first text that it logs; after that, correct the name.",
        )
    return ok(f"{group} can be read")


def _logs(account: Account, parameters: dict[str, Any]) -> None:
    account.ask("logs", "FilterLogEvents", settings.AWS_SNS_REGION_NAME, **parameters)


def opted_out(account: Account) -> Finding:
    """Check that we text no person who answered STOP."""
    page = _sns(account, "ListPhoneNumbersOptedOut")
    theirs = set(page["phoneNumbers"])
    rows = Suppression.objects.in_force().filter(channel=Channel.SMS)
    ours = set(rows.values_list("address", flat=True))
    more = " or more" if page.get("nextToken") else ""
    found = f"{len(theirs)}{more} opted out at SNS, {len(ours)} suppressed here"
    if still := Contact.objects.filter(phone__in=theirs - ours).count():
        return warn(
            f"{found}; {still} of our people among them are not suppressed here",
            "The reading at 20 minutes past each hour takes them over; if it does not, the log "
            "of the workers says why. Until then their next text fails and does so; see "
            "sms.log_group.",
        )
    return ok(found)
