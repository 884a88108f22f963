"""What people and companies have decided about messages. Defaults are not stored."""

from datetime import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_noop

from ..reasons import FOLDED_HOLDS
from ..states import Channel


class Setting(models.TextChoices):
    """What a person chose for one category on one channel."""

    OFF = "off", gettext_noop("Off")
    AT_ONCE = "at_once", gettext_noop("At once")
    #: E-mail only.
    DAILY = "daily", gettext_noop("Once a day")


class ChoiceVia(models.TextChoices):
    """Where a choice was made."""

    PAGE = "page", gettext_noop("on the account page")
    OFFICE = "office", gettext_noop("by the office")
    #: The mail program's own "unsubscribe" (RFC 8058), or the page behind that link.
    MAIL_CLIENT = "mail_client", gettext_noop("by unsubscribing")
    #: STOP or START, answered to a text.
    STOP = "stop", gettext_noop("by a text message")
    COMPLAINT = "complaint", gettext_noop("by a complaint to the mail provider")


class ChoiceQuerySet(models.QuerySet["Choice"]):
    def present(self) -> "ChoiceQuerySet":
        return self.filter(replaced_at=None)


class Choice(models.Model):
    """One choice of a person. A later one replaces it, and both are kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="choices"
    )
    #: Empty for every category.
    category = models.CharField(max_length=64, blank=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    setting = models.CharField(max_length=8, choices=Setting.choices)
    via = models.CharField(max_length=16, choices=ChoiceVia.choices)
    #: Who made it; empty if a mail program or a phone did.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    #: Empty for the present choice.
    replaced_at = models.DateTimeField(null=True)

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "category", "channel"],
                condition=models.Q(replaced_at=None),
                name="one_present_choice",
            ),
            models.CheckConstraint(
                condition=models.Q(setting__in=Setting.values), name="choice_setting_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(setting=Setting.DAILY) | models.Q(channel=Channel.EMAIL),
                name="choice_daily_by_email",
            ),
            models.CheckConstraint(
                condition=models.Q(channel__in=Channel.values), name="choice_channel_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category or 'everything'} by {self.channel}: {self.setting}"


class RuleSetting(models.TextChoices):
    """What a company decided for its people."""

    FORCED_ON = "forced_on", "Always on"
    FORCED_OFF = "forced_off", "Always off"
    DEFAULT_ON = "default_on", "On, unless the person chooses otherwise"
    DEFAULT_OFF = "default_off", "Off, unless the person chooses otherwise"


class Rule(models.Model):
    """A company's rule for one category on one channel.

    The engine knows no companies: `group` is a key that `people.register_groups` explains.
    """

    group = models.CharField(max_length=64)
    #: Empty for every category.
    category = models.CharField(max_length=64, blank=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    rule = models.CharField(max_length=16, choices=RuleSetting.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "category", "channel"], name="one_rule"),
            models.CheckConstraint(
                condition=models.Q(rule__in=RuleSetting.values), name="rule_setting_known"
            ),
            models.CheckConstraint(
                condition=models.Q(channel__in=Channel.values), name="rule_channel_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.category or 'everything'} by {self.channel}: {self.rule}"


def validate_quiet(ranges: Any) -> None:
    """Raise ValidationError unless these are quiet ranges: [weekday, "HH:MM", "HH:MM"], Monday 0.

    A range that ends before it begins ends on the next day. Equal times mean no range. Some time
    of the week must stay free.
    """
    try:
        spans = [_minutes(*each) for each in ranges]
    except (TypeError, ValueError):
        raise ValidationError(
            'Write each range as [weekday, "from", "to"], as in [0, "21:00", "07:00"]; Monday is 0.'
        ) from None
    quiet = {(start + minute) % WEEK for start, length in spans for minute in range(length)}
    if len(quiet) == WEEK:
        raise ValidationError(gettext("Leave some time of the week in which messages may come."))


DAY = 24 * 60
WEEK = 7 * DAY


def _minutes(weekday: Any, start: Any, end: Any) -> tuple[int, int]:
    """Return a range's first minute of the week, and its length in minutes."""
    if weekday not in range(7) or isinstance(weekday, bool):
        raise ValueError("no weekday")
    first, last = (time.fromisoformat(text) for text in (start, end))
    begin, until = (t.hour * 60 + t.minute for t in (first, last))
    if first.second or last.second:
        raise ValueError("whole minutes only")
    return weekday * DAY + begin, (until - begin) % DAY


def default_digest_hour() -> int:
    return settings.DIGEST_HOUR


class Preferences(models.Model):
    """When a person wants messages. The time zone is the contact's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    #: When the person confirmed the time zone of their contact; empty if it is a guess.
    zone_confirmed_at = models.DateTimeField(null=True, blank=True)
    #: Ranges as `validate_quiet` describes them.
    quiet = models.JSONField(default=list, blank=True, validators=[validate_quiet])
    paused_until = models.DateTimeField(null=True, blank=True)
    #: The deputy, who gets what cannot wait during the pause.
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    digest_hour = models.PositiveSmallIntegerField(
        default=default_digest_hour, validators=[MaxValueValidator(23)]
    )

    class Meta:
        verbose_name_plural = "preferences"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(digest_hour__lte=23), name="digest_hour_of_a_day"
            ),
            models.CheckConstraint(
                condition=~models.Q(deputy=models.F("user")), name="deputy_is_another_person"
            ),
        ]

    def __str__(self) -> str:
        return f"preferences of {self.user}"


class Digest(models.Model):
    """Several held deliveries that leave as one message, which one of them carries.

    Of daily digests, a person has one for each local date and channel at most.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digests"
    )
    channel = models.CharField(max_length=8, choices=Channel.choices)
    #: What its items were held for.
    held_for = models.CharField(max_length=16)
    #: Of a daily digest only: its date in the person's time zone.
    local_date = models.DateField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # NULL differs from NULL, so this binds daily digests only.
            models.UniqueConstraint(
                fields=["user", "channel", "local_date"], name="one_digest_per_day"
            ),
            models.CheckConstraint(
                condition=models.Q(held_for__in=sorted(FOLDED_HOLDS)), name="digest_hold_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.held_for} of {self.user} by {self.channel}"
