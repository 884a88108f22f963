from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest

from .models import Contact, Delivery, Notification, NotificationDeliveryLog


class ReadOnlyMixin:
    """These rows are written by the system alone; a person reads them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeliveryInline(ReadOnlyMixin, admin.TabularInline):
    model = Delivery
    fields = ["channel", "state", "reason", "attempts", "next_attempt_at", "finished_at"]
    show_change_link = True


class LogInline(ReadOnlyMixin, admin.TabularInline):
    model = NotificationDeliveryLog
    fields = ["at", "attempt", "event", "provider", "provider_message_id", "code", "detail"]
    readonly_fields = ["at"]


@admin.register(Notification)
class NotificationAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ["created_at", "kind", "recipient", "priority", "title", "read_at"]
    list_filter = ["kind", "priority", "created_at"]
    list_select_related = ["recipient"]
    search_fields = ["recipient__username", "recipient__email", "title"]
    date_hierarchy = "created_at"
    inlines = [DeliveryInline]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = [
        "created_at",
        "kind",
        "recipient",
        "channel",
        "state",
        "reason",
        "attempts",
        "next_attempt_at",
    ]
    list_filter = ["state", "channel", "priority", "created_at"]
    list_select_related = ["notification__recipient"]
    search_fields = ["=id", "=provider_message_id", "notification__recipient__username"]
    inlines = [LogInline]

    @admin.display(ordering="notification__kind")
    def kind(self, row: Delivery) -> str:
        return row.notification.kind

    @admin.display(ordering="notification__recipient")
    def recipient(self, row: Delivery) -> str:
        return str(row.notification.recipient)


@admin.register(Contact)
class ContactAdmin(admin.ModelAdmin):
    list_display = ["user", "email", "email_verified", "phone", "phone_verified", "sms_opt_in"]
    list_select_related = ["user"]
    search_fields = ["user__username", "email", "phone"]
    autocomplete_fields = ["user"]
    actions = ["confirm_email", "confirm_phone"]

    @admin.display(boolean=True, description="verified")
    def email_verified(self, row: Contact) -> bool:
        return bool(row.email) and row.email == row.verified_email

    @admin.display(boolean=True, description="verified")
    def phone_verified(self, row: Contact) -> bool:
        return bool(row.phone) and row.phone == row.verified_phone

    @admin.action(description="Confirm the e-mail address (checked with the person)")
    def confirm_email(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        confirmed = chosen.exclude(email="").update(verified_email=F("email"))
        messages.success(request, f"{confirmed} e-mail addresses confirmed.")

    @admin.action(description="Confirm the mobile number (checked with the person)")
    def confirm_phone(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        confirmed = chosen.exclude(phone="").update(verified_phone=F("phone"))
        messages.success(request, f"{confirmed} mobile numbers confirmed.")
