"""Who asks AWS, and for how long its key has been in use."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from .account import Account
from .findings import Area, Finding, Unseen, ok, warn

area = Area("Credentials", "credentials")

#: The specification's: "every 90 days".
OLDEST_KEY = timedelta(days=90)


def _region() -> str:
    return str(settings.AWS_SNS_REGION_NAME)


@area.check
def caller(account: Account) -> Finding:
    """Who AWS takes us for."""
    who = account.ask("sts", "GetCallerIdentity", _region())
    return ok(f"AWS takes us for {who['Arn']}")


@area.check
def key_age(account: Account) -> Finding:
    """Whether the caller's access keys are to be replaced."""
    if _is_role(account):
        return ok("a role's keys, which AWS replaces by itself")
    keys = account.ask("iam", "ListAccessKeys", _region())["AccessKeyMetadata"]
    ages = [timezone.now() - key["CreateDate"] for key in keys if key["Status"] == "Active"]
    old = [age.days for age in ages if age > OLDEST_KEY]
    if old:
        return warn(
            f"an access key of {max(old)} days",
            f"Make another, put it in place, and delete this one: after {OLDEST_KEY.days} days at "
            "the latest. An SMTP password made of it (`aws smtp-credentials`) goes with it.",
        )
    return ok(f"the oldest of {len(ages)} is {max(ages).days} days old" if ages else "no key")


def _is_role(account: Account) -> bool:
    try:
        who = account.ask("sts", "GetCallerIdentity", _region())
    except Unseen:
        return False
    return ":assumed-role/" in who["Arn"]
