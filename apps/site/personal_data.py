"""Everything that is stored about one person: as a JSON file, and its erasure.

An erased person's messages, deliveries and money stay as counts, without words and addresses.
"""

import json
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from django.utils.text import slugify

from apps.core.models import (
    Choice,
    Contact,
    Delivery,
    Notification,
    NotificationDeliveryLog,
    Preferences,
    ProviderEvent,
    Suppression,
    Verification,
)
from apps.core.models.delivery_log import allow_deletion
from apps.core.states import DeliveryState

from . import directory

#: Never leaves the database.
_SECRET = {"password"}
_ERASED = "erased"


def download(user: User) -> HttpResponse:
    """Return a person's data as a file to be saved."""
    text = json.dumps(collect(user), cls=DjangoJSONEncoder, indent=2)
    response = HttpResponse(text, content_type="application/json")
    name = slugify(user.get_username()) or str(user.pk)
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    # A shared computer must not keep it.
    response["Cache-Control"] = "no-store, private"
    return response


def collect(user: User) -> dict[str, Any]:
    """Return all that is stored about this person, as JSON values."""
    messages = Notification.objects.filter(recipient=user).order_by("-created_at")
    return {
        "made_at": timezone.now(),
        "person": _values(user),
        "contact": [_values(row) for row in Contact.objects.filter(user=user)],
        "preferences": [_values(row) for row in Preferences.objects.filter(user=user)],
        "choices": [_values(row) for row in Choice.objects.filter(user=user)],
        "confirmations": [_values(row) for row in Verification.objects.filter(user=user)],
        "suppressed_addresses": [_values(row) for row in _suppressions(user)],
        "work": directory.get().records(user),
        "messages": [
            _values(row)
            | {
                "deliveries": [
                    _values(way) | {"log": [_values(entry) for entry in way.log.all()]}
                    for way in row.deliveries.all()
                ]
            }
            for row in messages.prefetch_related("deliveries__log")
        ],
    }


@transaction.atomic
def erase(user: User) -> None:
    """Remove a person: who they were, how to reach them, and what they were told.

    Raise ValueError for an active superuser: the last one must not lock everyone out.
    """
    if user.is_superuser and user.is_active:
        raise ValueError("Take away this person's administration rights first.")
    messages = Notification.objects.filter(recipient=user)
    ways = Delivery.objects.filter(notification__in=messages)
    ways.pending().move(DeliveryState.SKIPPED, next_attempt_at=None, finished_at=timezone.now())
    addresses = _addresses(user)
    ProviderEvent.objects.filter(Q(delivery__in=ways) | Q(recipient__in=addresses)).update(
        recipient="", detail=""
    )
    allow_deletion()
    NotificationDeliveryLog.objects.filter(delivery__in=ways).update(detail="")
    ways.update(reason="", direct_to="")
    messages.update(title="", text="", context={}, dedup_key="", settled_because="")
    _suppressions(user).delete()
    _entries_about(user).delete()
    for model in (Choice, Contact, Preferences, Verification):
        model._default_manager.filter(user=user).delete()
    directory.get().forget(user)
    user.username = f"{_ERASED}-{user.pk}"
    user.first_name = user.last_name = user.email = ""
    user.is_active = user.is_staff = user.is_superuser = False
    # It ends every session too.
    user.set_unusable_password()
    user.save()


def _values(row: models.Model) -> dict[str, Any]:
    return {
        field.name: field.value_from_object(row)
        for field in row._meta.concrete_fields
        if field.name not in _SECRET
    }


def _entries_about(user: User) -> models.QuerySet[LogEntry]:
    """Return the admin's log of this person's rows, which names them. What they did stays."""
    about = Q(content_type=ContentType.objects.get_for_model(User), object_id=str(user.pk))
    for model in (Contact, Preferences):
        rows = model._default_manager.filter(user=user).values_list("pk", flat=True)
        kind = ContentType.objects.get_for_model(model)
        about |= Q(content_type=kind, object_id__in=[str(pk) for pk in rows])
    return LogEntry.objects.filter(about)


def _addresses(user: User) -> list[str]:
    found = [user.email]
    if contact := Contact.objects.filter(user=user).first():
        found += [contact.email, contact.phone, contact.verified_email, contact.verified_phone]
    return [address for address in found if address]


def _suppressions(user: User) -> models.QuerySet[Suppression]:
    return Suppression.objects.filter(address__in=_addresses(user))
