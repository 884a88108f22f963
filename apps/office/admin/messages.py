"""The admin of messages: notifications, their deliveries and logs, and the providers' events."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin, TabularInline

from apps.core import addresses
from apps.core.delivery import transitions
from apps.core.delivery.wakeups import wake_dispatch
from apps.core.guards import circuit_breaker
from apps.core.models import (
    Delivery,
    Notification,
    NotificationDeliveryLog,
    ProviderEvent,
    SetAside,
)
from apps.core.reasons import Reason
from apps.core.states import RESENDABLE, Channel, DeliveryState, EventKind
from apps.site.page_actions import PageActions
from apps.site.read_only_admin import ReadOnlyMixin

from ..lists import MOST_COUNTED, DateFilter, KindFilter, LongList, OlderFilter
from ..search import of_messages, read_uuid
from . import links, meant
from .as_sent import as_sent
from .once import once

WAITING = (DeliveryState.DUE, DeliveryState.RETRYING)
#: The states in which each action is offered.
_FITS = {"send_again": RESENDABLE, "mark_as_arrived": (DeliveryState.UNKNOWN,)}


class WhyMixin:
    """Shows why a delivery was not sent, or why it waits."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        itself = Delivery.objects.filter(pk=OuterRef("pk"))
        rows = super().get_queryset(request)  # type: ignore[misc]
        return rows.annotate(is_running=Exists(circuit_breaker.running(itself)))

    @admin.display(description="reason")
    def why(self, row: Any) -> str:
        if not row.reason and row.state in WAITING and not row.is_running:
            return f"Waits: {row.get_channel_display().lower()} is stopped"
        return meant.answer(row.reason)


class DeliveryInline(ReadOnlyMixin, WhyMixin, TabularInline):
    model = Delivery
    fields = ["channel", "state", "why", "attempts", "next_attempt_at", "finished_at"]
    readonly_fields = ["why"]
    show_change_link = True


class LogInline(ReadOnlyMixin, TabularInline):
    model = NotificationDeliveryLog
    fields = ["when", "attempt", "event", "provider", "provider_message_id", "why"]
    readonly_fields = ["when", "why"]

    @admin.display(description="at")
    def when(self, row: NotificationDeliveryLog) -> str:
        # To the second: log entries of one attempt are seconds apart.
        return date_format(localtime(row.at), "M j, H:i:s T")

    @admin.display(description="what was said")
    def why(self, row: NotificationDeliveryLog) -> str:
        if row.code in Reason.values:
            return row.detail or str(Reason(row.code).label)
        return meant.answer(f"{row.code} {row.detail}".strip())


@admin.register(Notification)
class NotificationAdmin(ReadOnlyMixin, LongList):
    list_display = ["created_at", "kind", "recipient", "priority", "title", "read_at"]
    list_filter = [KindFilter, "priority", "created_at", DateFilter, OlderFilter]
    list_select_related = ["recipient"]
    search_help_text = "A name, an address, a phone number, R-1042, B-1007 or an id"
    inlines = [DeliveryInline]

    def find(self, rows: QuerySet[Notification], typed: str) -> QuerySet[Notification]:
        key = read_uuid(typed)
        return rows.filter(Q(pk=key) if key else of_messages(typed))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyMixin, WhyMixin, PageActions, LongList):
    list_display = ["created_at", "title", "recipient", "channel", "state", "why", "attempts"]
    list_filter = ["state", "channel", "priority", "created_at", DateFilter, OlderFilter]
    search_help_text = "A name, an address, a phone number, R-1042, B-1007 or an id"
    fieldsets = [
        (None, {"fields": ["to", "channel", "state", "why", "words"]}),
        (
            "Details",
            {
                "fields": [
                    "notification",
                    "priority",
                    "direct_to",
                    "attempts",
                    "failures",
                    "created_at",
                    "due_at",
                    "next_attempt_at",
                    "lease_until",
                    "finished_at",
                    "provider",
                    "provider_message_id",
                    "decision",
                    "decided_by",
                    "decided_at",
                    "held_for",
                    "release_at",
                    "digest",
                    "cost_usd",
                    "cost_month",
                ]
            },
        ),
    ]
    readonly_fields = ["to", "why", "words", "created_at"]
    inlines = [LogInline]
    actions = ["send_again", "mark_as_arrived"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).select_related("notification__recipient__contact")

    def fits(self, action: str, row: Delivery) -> bool:
        return row.state in _FITS[action]

    @admin.display(description="to")
    def to(self, row: Delivery) -> str:
        recipient = row.notification.recipient
        contact = getattr(recipient, "contact", None)
        name = recipient.get_full_name() or recipient.get_username()
        address = row.direct_to or (contact.address(Channel(row.channel)) if contact else "")
        address = addresses.shown(address)
        return links.to(contact, f"{name}, {address}" if address else name)

    @admin.display(description="words, as they were or will be sent")
    @once
    def words(self, row: Delivery) -> str:
        address = reverse("office:sent", args=[row.pk])
        return as_sent(row) + format_html('<a href="{}">Show it as it was sent</a>', address)

    def find(self, rows: QuerySet[Delivery], typed: str) -> QuerySet[Delivery]:
        if key := read_uuid(typed):
            return rows.filter(Q(pk=key) | Q(notification=key))
        of_provider = rows.filter(provider_message_id=typed)
        if of_provider.exists():
            return of_provider
        return rows.filter(of_messages(typed, "notification__"))

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_delivery")

    @admin.action(
        description="Send again (unknown, exhausted, rejected, bounced, skipped)",
        permissions=["settle"],
    )
    def send_again(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        again = sum(transitions.resend(row, request.user.get_username()) for row in chosen)
        transaction.on_commit(wake_dispatch)
        messages.success(
            request,
            f"{again} of {len(chosen)} deliveries will be sent again. Fix the cause first: a "
            "delivery to an address that is still suppressed is skipped again.",
        )

    @admin.action(description="Mark as arrived (unknown)", permissions=["settle"])
    def mark_as_arrived(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        known = sum(transitions.confirm_arrival(row, request.user.get_username()) for row in chosen)
        messages.success(request, f"{known} of {len(chosen)} deliveries are marked as arrived.")

    def title(self, row: Delivery) -> str:
        return row.notification.title

    def recipient(self, row: Delivery) -> str:
        recipient = row.notification.recipient
        return recipient.get_full_name() or recipient.get_username()


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyMixin, LongList):
    list_display = ["received_at", "kind", "provider", "to", "why", "via", "is_matched"]
    list_filter = ["kind", "cause", "received_at", DateFilter, OlderFilter]
    time_field = "received_at"
    search_help_text = "A name, an address, a phone number, R-1042, B-1007 or a message id"
    raw_id_fields = ["delivery"]

    def find(self, rows: QuerySet[ProviderEvent], typed: str) -> QuerySet[ProviderEvent]:
        of_provider = rows.filter(provider_message_id=typed)
        if of_provider.exists():
            return of_provider
        of_address = rows.filter(recipient=typed)
        # One by one, each by its index: the last two are of an address that no person has.
        found = {
            pk
            for events in (
                rows.filter(of_messages(typed, "delivery__notification__")),
                of_address.filter(kind=EventKind.BOUNCED),
                of_address.filter(delivery=None),
            )
            for pk in events.order_by("-received_at").values_list("pk", flat=True)[:MOST_COUNTED]
        }
        return rows.filter(pk__in=found)

    @admin.display(description="recipient")
    def to(self, row: ProviderEvent) -> str:
        return addresses.shown(row.recipient)

    @admin.display(description="what was said")
    def why(self, row: ProviderEvent) -> str:
        return meant.answer(row.code, row.detail, row.cause)

    @admin.display(boolean=True, description="matched a delivery")
    def is_matched(self, row: ProviderEvent) -> bool:
        return row.delivery_id is not None


@admin.register(SetAside)
class SetAsideAdmin(ReadOnlyMixin, ModelAdmin):
    list_display = ["received_at", "via", "problem", "beginning"]
    list_filter = ["via", "received_at"]
    ordering = ["-received_at"]

    @admin.display(description="text")
    def beginning(self, row: SetAside) -> str:
        return Truncator(row.text).chars(120)
