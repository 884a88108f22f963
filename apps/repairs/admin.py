from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from apps.site.read_only_admin import ReadOnlyMixin

from . import numbers
from .models import Company, FleetUnit, Profile, Repair, RepairBatch, RepairEvent


@admin.register(Company)
class CompanyAdmin(ModelAdmin):
    search_fields = ["name"]


@admin.register(FleetUnit)
class FleetUnitAdmin(ModelAdmin):
    list_display = ["company", "number", "description", "plate"]
    list_display_links = ["number"]
    list_filter = ["company"]
    list_select_related = ["company"]
    search_fields = ["number", "plate", "description", "company__name"]
    autocomplete_fields = ["company"]


@admin.register(Profile)
class ProfileAdmin(ModelAdmin):
    list_display = ["name", "user", "role", "company"]
    list_filter = ["role", "company"]
    list_select_related = ["user", "company"]
    search_fields = ["user__username", "user__first_name", "user__last_name", "company__name"]
    autocomplete_fields = ["user", "company"]


class RepairEventInline(ReadOnlyMixin, TabularInline):
    model = RepairEvent
    fields = ["at", "actor", "action", "note"]
    readonly_fields = ("at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RepairEvent]:
        return super().get_queryset(request).select_related("repair", "actor__user")


UNIT_FIELDS = ["unit__number", "unit__plate", "unit__company__name"]


class NumberedAdmin(ReadOnlyMixin, ModelAdmin):
    """Read-only: a change here would write no history and send no messages."""

    search_help_text = "R-1042, B-1007, a unit, a plate or a name"
    date_hierarchy = "created_at"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        keys = [row.pk for row in numbers.find(search_term) if isinstance(row, self.model)]
        return (found | queryset.filter(pk__in=keys) if keys else found), may_repeat


@admin.register(Repair)
class RepairAdmin(NumberedAdmin):
    list_display = ["number", "batch", "unit", "summary", "status", "technician", "created_at"]
    list_filter = ["status", "unit__company", "damage", "created_at"]
    search_fields = [
        *UNIT_FIELDS,
        "technician__user__first_name",
        "technician__user__last_name",
        "requested_by__user__first_name",
        "requested_by__user__last_name",
    ]
    inlines = [RepairEventInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Repair]:
        people = ["technician__user", "requested_by__user"]
        return super().get_queryset(request).select_related("unit", "batch", *people)


@admin.register(RepairBatch)
class RepairBatchAdmin(NumberedAdmin):
    list_display = ["number", "unit", "created_at"]
    search_fields = UNIT_FIELDS
    list_filter = ["unit__company", "created_at"]
    list_select_related = ["unit"]
