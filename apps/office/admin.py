from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.timezone import localtime

from apps.core.delivery import transitions
from apps.core.delivery.wakeups import wake_dispatch, wake_unlisting
from apps.core.guards import circuit_breaker, reputation, suppressions
from apps.core.models import (
    ChannelStop,
    Contact,
    Delivery,
    Notification,
    NotificationDeliveryLog,
    ProviderEvent,
    SetAside,
    SMSSpend,
    Suppression,
)
from apps.core.models.channel_stop import StopCause
from apps.core.models.contact import ConsentVia, is_unassigned
from apps.core.models.suppression import SuppressionReason
from apps.core.services import contacts, verification
from apps.core.states import Channel, DeliveryState, EventKind
from apps.site.read_only_admin import ReadOnlyMixin

from .lists import MOST_COUNTED, DateFilter, KindFilter, LongList, OlderFilter
from .rules import RuleAdmin as RuleAdmin
from .search import SearchMixin, of_messages, person_fields, read_uuid

WAITING = (DeliveryState.DUE, DeliveryState.RETRYING)

# The lists need the width of a laptop's screen.
admin.site.enable_nav_sidebar = False
admin.site.site_header = admin.site.site_title = settings.BRAND_NAME


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
        return row.reason


class DeliveryInline(ReadOnlyMixin, WhyMixin, admin.TabularInline):
    model = Delivery
    fields = ["channel", "state", "why", "attempts", "next_attempt_at", "finished_at"]
    readonly_fields = ["why"]
    show_change_link = True


class LogInline(ReadOnlyMixin, admin.TabularInline):
    model = NotificationDeliveryLog
    fields = ["when", "attempt", "event", "provider", "provider_message_id", "code", "detail"]
    readonly_fields = ["when"]

    @admin.display(description="at")
    def when(self, row: NotificationDeliveryLog) -> str:
        # To the second: log entries of one attempt are seconds apart.
        return date_format(localtime(row.at), "M j, H:i:s T")


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
class DeliveryAdmin(ReadOnlyMixin, WhyMixin, LongList):
    list_display = ["created_at", "title", "recipient", "channel", "state", "why", "attempts"]
    list_filter = ["state", "channel", "priority", "created_at", DateFilter, OlderFilter]
    list_select_related = ["notification__recipient"]
    search_help_text = "A name, an address, a phone number, R-1042, B-1007 or an id"
    exclude = ["reason"]
    readonly_fields = ["why", "as_sent"]
    inlines = [LogInline]
    actions = ["send_again", "mark_as_arrived"]

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
            f"{again} of {len(chosen)} deliveries will be sent again. Mend the cause first: a "
            "delivery to an address that is still suppressed is skipped again.",
        )

    @admin.action(description="Mark as arrived (unknown)", permissions=["settle"])
    def mark_as_arrived(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        known = sum(transitions.confirm_arrival(row, request.user.get_username()) for row in chosen)
        messages.success(request, f"{known} of {len(chosen)} deliveries are marked as arrived.")

    @admin.display(description="message")
    def as_sent(self, row: Delivery) -> str:
        return format_html(
            '<a href="{}">Show it as it was sent</a>', reverse("office:sent", args=[row.pk])
        )

    def title(self, row: Delivery) -> str:
        return row.notification.title

    def recipient(self, row: Delivery) -> str:
        return str(row.notification.recipient)


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyMixin, LongList):
    list_display = ["received_at", "kind", "provider", "recipient", "code", "via", "is_matched"]
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

    @admin.display(boolean=True, description="matched a delivery")
    def is_matched(self, row: ProviderEvent) -> bool:
        return row.delivery_id is not None


@admin.register(SetAside)
class SetAsideAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ["received_at", "via", "problem", "beginning"]
    list_filter = ["via", "received_at"]
    ordering = ["-received_at"]

    @admin.display(description="text")
    def beginning(self, row: SetAside) -> str:
        return Truncator(row.text).chars(120)


@admin.register(Suppression)
class SuppressionAdmin(SearchMixin, ReadOnlyMixin, admin.ModelAdmin):
    list_display = [
        "address",
        "channel",
        "reason",
        "since",
        "until",
        "lifted_at",
        "lifted_by",
        "at_provider",
    ]
    list_filter = ["channel", "reason", ("lifted_at", admin.EmptyFieldListFilter), "unlist"]
    ordering = ["-since"]
    search_fields = ["address"]
    actions = ["lift"]

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_suppression")

    @admin.display(description="AWS's own list")
    def at_provider(self, row: Suppression) -> str:
        if row.unlist:
            why = f": {row.unlist_problem}" if row.unlist_problem else ""
            return f"to be removed{why}"
        if row.unlisted_at:
            return "removed"
        return "listed" if row.listed_at and not row.lifted_at else ""

    @admin.action(description="Lift: send to the address again", permissions=["settle"])
    def lift(self, request: HttpRequest, chosen: QuerySet[Suppression]) -> None:
        rows = list(chosen)
        lifted = sum(suppressions.lift(row, request.user.get_username()) for row in rows)
        messages.success(request, f"{lifted} of {len(rows)} suppressions are lifted.")
        transaction.on_commit(wake_unlisting)
        if chosen.filter(unlist=True).exists():
            messages.info(
                request,
                "AWS keeps its own list and drops messages to it. A worker now removes these "
                'addresses there. In a minute the last column says "removed" or gives the '
                "problem; the removal is tried again each night and at each lift.",
            )
        if any(row.reason == SuppressionReason.OPT_OUT for row in rows):
            messages.warning(
                request,
                "STOP has also withdrawn the consent. Text messages go out again when you tick "
                '"agreed to text messages" at the contact; ask its owner first.',
            )
        if any(row.reason == SuppressionReason.COMPLAINT for row in rows):
            messages.warning(
                request,
                "The complaint has also withdrawn the consent. E-mail goes out again when you "
                'tick "wants e-mail" at the contact; ask its owner first.',
            )


@admin.register(ChannelStop)
class ChannelStopAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ["channel", "cause", "since", "code", "reason", "probes", "probe_at"]
    actions = ["try_now"]

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_channelstop")

    @admin.action(
        description="Try now (provider), or start again with new counts (reputation)",
        permissions=["settle"],
    )
    def try_now(self, request: HttpRequest, chosen: QuerySet[ChannelStop]) -> None:
        tried = circuit_breaker.probe_now(chosen)
        lifted = chosen.filter(cause=StopCause.REPUTATION).exists() and reputation.lift()
        transaction.on_commit(wake_dispatch)
        if tried:
            messages.success(request, f"{tried} channels will be tried with the next delivery.")
        if lifted:
            messages.success(request, "E-mail is sent again; bounces are counted from now on.")
        if chosen.filter(cause=StopCause.PERSON).exists():
            messages.info(request, "What a person paused is resumed in the cockpit.")


@admin.register(SMSSpend)
class SMSSpendAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ["month", "committed_usd", "refused_at"]
    ordering = ["-month"]


#: The message to a member of staff who has ticked a consent that a STOP or complaint withdrew.
_LIFTED = {
    Channel.EMAIL: (
        "The owner of the address had complained; that suppression is lifted. A worker tells "
        "SES; the list of suppressions shows the result."
    ),
    Channel.SMS: (
        "The owner of the number had answered STOP; that suppression is lifted. A worker tells "
        "SNS, which accepts it once in 30 days; the list of suppressions shows the result."
    ),
}


_MESSAGES = {Channel.EMAIL: "e-mail", Channel.SMS: "text messages"}
_CONFIRM = (
    " The person confirms it with a link or a code: choose the contact in this list and the action "
    "that sends it. If you have checked it with them, choose the action that confirms it."
)


def _reachable(contact: Contact | None) -> set[Channel]:
    return {channel for channel in Channel if contact and not contact.why_not(channel)}


class ContactForm(forms.ModelForm):
    send_confirmation = forms.BooleanField(
        label="send the confirmation",
        help_text="E-mails a link to a new address and texts a code to a new number. Until they "
        "are confirmed, nothing else is sent there.",
        required=False,
        initial=True,
    )


def _label(contact: Contact, channel: Channel) -> str:
    reason = contact.why_not(channel)
    return str(reason.label) if reason else ""


@admin.register(Contact)
class ContactAdmin(SearchMixin, admin.ModelAdmin):
    list_display = [
        "user",
        "email",
        "email_verified",
        "wants_email",
        "phone",
        "phone_verified",
        "sms_opt_in",
    ]
    list_select_related = ["user"]
    search_fields = person_fields("user")
    search_help_text = "A name, an address or a phone number"
    autocomplete_fields = ["user"]
    form = ContactForm
    readonly_fields = ["sms_agreed_at", "sms_agreed_to", "sms_withdrawn_at", "sms_via"]
    actions = ["send_confirmations", "confirm_email", "confirm_phone"]
    # Compare a tick with what the page showed: the row may have changed since.
    formfield_overrides = {models.BooleanField: {"show_hidden_initial": True}}

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        agreed, withdrew_texts = [], False
        for channel in Channel:
            consent = Contact.consent(channel)
            if not getattr(obj, consent):
                withdrew_texts |= channel == Channel.SMS and change and consent in form.changed_data
            elif consent in form.changed_data:
                agreed.append(channel)
            elif change:
                # The owner may have withdrawn it since the page was opened: keep that.
                still = Contact.objects.filter(pk=obj.pk, **{consent: True}).exists()
                setattr(obj, consent, still)
        reachable = _reachable(Contact.objects.filter(pk=obj.pk).select_related("user").first())
        assert request.user.is_authenticated
        fields = [name for name in form.fields if name != "send_confirmation"]
        changed = contacts.save(obj, fields, by=request.user)
        sent = (
            [channel for channel in changed if self._send(request, obj, channel)]
            if form.cleaned_data["send_confirmation"]
            else []
        )
        if is_unassigned(obj.phone):
            messages.warning(
                request,
                f"No known phone network has the number {obj.phone}. It may be new; check its "
                "digits.",
            )
        for channel in reachable - _reachable(obj):
            messages.warning(
                request,
                f"{obj.user} gets no {_MESSAGES[channel]} from now on: {_label(obj, channel)}."
                f"{_CONFIRM if obj.address(channel) and channel not in sent else ''}",
            )
        by = request.user.get_username()
        if withdrew_texts:
            contacts.end_texts(obj, ConsentVia.OFFICE)
        for channel in agreed:
            if channel == Channel.SMS:
                words = f"Recorded at the office by {by}."
                lifted = contacts.agree_to_texts(obj, ConsentVia.OFFICE, by=by, words=words)
            else:
                lifted = contacts.agree_again(obj, channel, by=by)
            if lifted:
                messages.info(request, _LIFTED[channel])

    def _send(self, request: HttpRequest, contact: Contact, channel: Channel) -> bool:
        """Send the confirmation, if there is something to confirm; return whether it was sent."""
        if not contact.address(channel) or contact.is_verified(channel):
            return False
        if channel == Channel.SMS and not settings.SMS_ENABLED:
            return False
        if contacts.suppression_of(contact, channel):
            messages.error(
                request,
                f"Nothing is sent to {contact.address(channel)}: it is suppressed. Lift the "
                "suppression first.",
            )
            return False
        try:
            verification.send(contact, channel)
        except verification.TooMany as error:
            messages.error(request, f"{contact.user}: {error}")
            return False
        what = "A link" if channel == Channel.EMAIL else "A code"
        messages.success(request, f"{what} is on its way to {contact.address(channel)}.")
        return True

    @admin.action(
        description="Send the confirmation: a link by e-mail, a code by text",
        permissions=["change"],
    )
    def send_confirmations(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        sent = [
            self._send(request, contact, channel)
            for contact in chosen.select_related("user")
            for channel in Channel
        ]
        if not any(sent):
            messages.info(request, "Nothing was sent: there is nothing that can be confirmed.")

    @admin.display(boolean=True, description="verified")
    def email_verified(self, row: Contact) -> bool:
        return bool(row.email) and row.email == row.verified_email

    @admin.display(boolean=True, description="verified")
    def phone_verified(self, row: Contact) -> bool:
        return bool(row.phone) and row.phone == row.verified_phone

    @admin.action(
        description="Confirm the e-mail address (checked with the person)", permissions=["change"]
    )
    def confirm_email(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        confirmed = chosen.exclude(email="").update(verified_email=F("email"))
        messages.success(request, f"{confirmed} e-mail addresses confirmed.")

    @admin.action(
        description="Confirm the mobile number (checked with the person)", permissions=["change"]
    )
    def confirm_phone(self, request: HttpRequest, chosen: QuerySet[Contact]) -> None:
        confirmed = chosen.exclude(phone="").update(verified_phone=F("phone"))
        messages.success(request, f"{confirmed} mobile numbers confirmed.")
