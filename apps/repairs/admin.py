from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.site.read_only_admin import ReadOnlyMixin

from .models import Company, FleetUnit, Profile, Repair, RepairBatch, RepairEvent
from .models.numbering import primary_key


@admin.register(Company)
class CompanyAdmin(admin.ModelAdmin):
    search_fields = ["name"]


@admin.register(FleetUnit)
class FleetUnitAdmin(admin.ModelAdmin):
    list_display = ["company", "number", "description", "plate"]
    list_display_links = ["number"]
    list_filter = ["company"]
    list_select_related = ["company"]
    search_fields = ["number", "plate", "description"]
    autocomplete_fields = ["company"]


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin):
    list_display = ["name", "user", "role", "company"]
    list_filter = ["role", "company"]
    list_select_related = ["user", "company"]
    search_fields = ["user__username", "user__first_name", "user__last_name"]
    autocomplete_fields = ["user", "company"]


class RepairEventInline(ReadOnlyMixin, admin.TabularInline):
    model = RepairEvent
    fields = ["at", "actor", "action", "note"]
    readonly_fields = ("at",)


class NumberedAdmin(ReadOnlyMixin, admin.ModelAdmin):
    """Read-only: a change here would write no history and send no messages."""

    search_fields = ["unit__number", "unit__plate"]
    search_help_text = "A number (R-1042), a unit or a plate"
    date_hierarchy = "created_at"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        key = primary_key(search_term)
        return (found if key is None else found | queryset.filter(pk=key)), may_repeat


@admin.register(Repair)
class RepairAdmin(NumberedAdmin):
    list_display = ["number", "unit", "summary", "status", "technician", "estimate", "created_at"]
    list_filter = ["status", "unit__company", "damage", "created_at"]
    list_select_related = ["unit", "technician__user"]
    inlines = [RepairEventInline]


@admin.register(RepairBatch)
class RepairBatchAdmin(NumberedAdmin):
    list_display = ["number", "unit", "created_at"]
    list_filter = ["unit__company", "created_at"]
    list_select_related = ["unit"]
