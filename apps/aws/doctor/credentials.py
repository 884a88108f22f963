"""Checks of the caller's credentials and of the age of its keys."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.aws.account import Account
from apps.aws.smtp_credentials import is_access_key_id
from apps.core.audit.findings import Finding, Unseen, ok, warn

#: The specification's: "every 90 days".
OLDEST_KEY = timedelta(days=90)


def _region() -> str:
    return str(settings.AWS_SNS_REGION_NAME)


def caller(account: Account) -> Finding:
    """Ask AWS whose credentials these are."""
    who = account.ask("sts", "GetCallerIdentity", _region())
    return ok(f"the caller is {who['Arn']}")


def key_age(account: Account) -> Finding:
    """Check that no access key of the caller is too old."""
    if _is_role(account):
        return ok("a role's keys, which AWS replaces by itself")
    return _age(
        account.ask("iam", "ListAccessKeys", _region())["AccessKeyMetadata"],
        "Make another, put it in place, and delete this one",
    )


def smtp_key_age(account: Account) -> Finding:
    """Check that the access key behind the SMTP password is not too old."""
    backend, key_id = settings.EMAIL_BACKEND, settings.EMAIL_HOST_USER
    if backend != settings.EMAIL_TRANSPORTS["smtp"] or not key_id:
        return ok("no SMTP password of SES is used")
    if not is_access_key_id(key_id):
        return warn(
            "AWS_SES_SMTP_USER is no access key id",
            "Make both with `manage.py aws smtp-credentials`.",
        )
    asked = account.ask("iam", "GetAccessKeyLastUsed", _region(), AccessKeyId=key_id)
    keys = account.ask("iam", "ListAccessKeys", _region(), UserName=asked["UserName"])
    return _age(
        [key for key in keys["AccessKeyMetadata"] if key["AccessKeyId"] == key_id],
        f"Make another of the user {asked['UserName']}, of it a password with `manage.py aws "
        "smtp-credentials`, put both in place, and delete this one",
    )


def _age(keys: list[dict[str, Any]], do: str) -> Finding:
    ages = [timezone.now() - key["CreateDate"] for key in keys if key["Status"] == "Active"]
    old = [age.days for age in ages if age > OLDEST_KEY]
    if old:
        return warn(
            f"an access key of {max(old)} days",
            f"{do}: after {OLDEST_KEY.days} days at the latest.",
        )
    return ok(f"the oldest of {len(ages)} is {max(ages).days} days old" if ages else "no key")


def _is_role(account: Account) -> bool:
    try:
        who = account.ask("sts", "GetCallerIdentity", _region())
    except Unseen:
        return False
    return ":assumed-role/" in who["Arn"]
