"""The admin of suppressed addresses."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.addresses import shown
from apps.core.delivery.wakeups import wake_unlisting
from apps.core.guards import suppressions
from apps.core.models import Contact, Suppression
from apps.core.models.suppression import SuppressionReason
from apps.site.page_actions import PageActions
from apps.site.read_only_admin import ReadOnlyMixin

from ..search import SearchMixin, find_people


@admin.register(Suppression)
class SuppressionAdmin(SearchMixin, ReadOnlyMixin, PageActions):
    list_display = [
        "to",
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
    search_help_text = "An address, a phone number or its owner's name"
    actions = ["lift"]

    def fits(self, action: str, row: Suppression) -> bool:
        return row.lifted_at is None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return found, may_repeat
        contacts = Contact.objects.filter(user__in=find_people(search_term))
        owned = {address for pair in contacts.values_list("email", "phone") for address in pair}
        return found | queryset.filter(address__in=owned), may_repeat

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_suppression")

    @admin.display(description="address", ordering="address")
    def to(self, row: Suppression) -> str:
        return shown(row.address)

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
