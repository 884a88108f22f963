"""Change what people decided about messages. What waits for them is decided again at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from apps.core.delivery import holds
from apps.core.models import Choice, Contact, Preferences
from apps.core.models.contact import validate_time_zone
from apps.core.models.preferences import ChoiceVia, Setting, validate_quiet
from apps.core.states import Channel


def choose(
    user: Any,
    category: str,
    channel: Channel,
    setting: Setting | None,
    *,
    via: ChoiceVia,
    by: Any = None,
) -> bool:
    """Record a person's choice for a category ("" for every one); None goes back to no choice.

    The choice before it is kept as replaced. Raise ValidationError for texts once a day. Return
    whether anything changed.
    """
    if setting == Setting.DAILY and channel != Channel.EMAIL:
        raise ValidationError("Only e-mails can come once a day.")
    with transaction.atomic():
        # Also a lock: two changes at once come one after the other.
        of_person(user, lock=True)
        present = Choice.objects.present().filter(user=user, category=category, channel=channel)
        before = present.first()
        if (before.setting if before else None) == setting and (not before or before.via == via):
            return False
        present.update(replaced_at=timezone.now())
        if setting is not None:
            Choice.objects.create(
                user=user, category=category, channel=channel, setting=setting, via=via, by=by
            )
        holds.recompute(user.pk)
    return True


def set_times(
    user: Any,
    *,
    quiet: Sequence[Sequence[Any]] | None = None,
    digest_hour: int | None = None,
) -> Preferences:
    """Change quiet hours (see `validate_quiet`) or the digest's hour; raise ValidationError."""
    with transaction.atomic():
        row = of_person(user, lock=True)
        if quiet is not None:
            validate_quiet(quiet)
            row.quiet = [list(each) for each in quiet]
        if digest_hour is not None:
            row.digest_hour = Preferences._meta.get_field("digest_hour").clean(digest_hour, row)
        row.save(update_fields=["quiet", "digest_hour"])
        holds.recompute(user.pk)
    return row


def pause(user: Any, until: datetime | None, *, deputy: Any = None) -> Preferences:
    """Hold all that is not urgent until then; None ends the pause. Raise ValidationError.

    The deputy gets, from now on, what cannot wait.
    """
    if until and timezone.is_naive(until):
        raise ValueError("until must carry a time zone")
    if deputy is not None and deputy.pk == user.pk:
        raise ValidationError(gettext("Choose another person as your deputy."))
    with transaction.atomic():
        row = of_person(user, lock=True)
        row.paused_until, row.deputy = until, deputy if until else None
        row.save(update_fields=["paused_until", "deputy"])
        holds.recompute(user.pk)
    return row


def set_time_zone(user: Any, name: str, *, is_confirmed: bool) -> bool:
    """Set the zone of a person's contact. A guess replaces no confirmed zone, and returns False.

    Raise ValidationError for an unknown name.
    """
    validate_time_zone(name)
    with transaction.atomic():
        row = of_person(user, lock=True)
        if not is_confirmed and row.zone_confirmed_at:
            return False
        if is_confirmed:
            row.zone_confirmed_at = timezone.now()
            row.save(update_fields=["zone_confirmed_at"])
        Contact.objects.update_or_create(user=user, defaults={"time_zone": name})
        holds.recompute(user.pk)
    return True


def set_language(user: Any, code: str) -> bool:
    """Set the language of a person's pages and messages; "" leaves it to their browser.

    Raise ValidationError for a language that there is not. Return whether anything changed.
    """
    if code and code not in dict(settings.LANGUAGES):
        raise ValidationError(gettext("Choose one of the languages."))
    with transaction.atomic():
        Contact.objects.get_or_create(user=user)
        changed = Contact.objects.filter(user=user).exclude(language=code).update(language=code)
    return bool(changed)


def of_person(user: Any, *, lock: bool = False) -> Preferences:
    """Return a person's preferences, made if there are none; `lock` needs a transaction."""
    Preferences.objects.get_or_create(user=user)
    rows = Preferences.objects.select_for_update() if lock else Preferences.objects.all()
    return rows.get(user=user)
