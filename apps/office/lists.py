"""Lists of tables that grow without end: none of their queries reads a whole table."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from apps.core.message import kinds

#: A list counts its rows, and has pages, up to this number. "Older" leads to the rows after them.
MOST_COUNTED = 1000


class CappedPaginator(Paginator):
    @cached_property
    def count(self) -> int:
        """Count the rows, at most MOST_COUNTED."""
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:MOST_COUNTED].count())

    def page(self, number: Any) -> Page[Any]:
        page = super().page(number)
        # Their keys first: the rest, as other tables' columns, is read for one page alone.
        rows, slice_of_them = cast(Any, self.object_list), cast(Any, page.object_list)
        page.object_list = rows.filter(pk__in=list(slice_of_them.values_list("pk", flat=True)))
        return page


class LongChangeList(ChangeList):
    @property
    def is_cut(self) -> bool:
        """Return whether there may be more rows than are counted."""
        return self.result_count >= MOST_COUNTED

    @property
    def older(self) -> str:
        """Return the query string of the list after the last page, if there may be more rows."""
        if not self.is_cut or self.page_num < self.paginator.num_pages:
            return ""
        last = list(self.result_list)[-1]
        position = _position(last, _time_field(self.model))
        return self.get_query_string({OlderFilter.parameter_name: position}, [PAGE_VAR])

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        # Any other order, as of a bookmark, would sort the table.
        return list(self.model_admin.get_ordering(request))


class LongList(ModelAdmin):
    """An admin's list, newest first, that costs the same however many rows there are."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    #: The time by which the rows are ordered. An index begins with it.
    time_field = "created_at"
    #: Django shows the search field if there are any; `find` searches.
    search_fields = ["id"]

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [f"-{self.time_field}", "-pk"]

    def find(self, rows: QuerySet[Any], typed: str) -> QuerySet[Any]:
        """Return those of the rows that a person has searched for."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        typed = search_term.strip()
        return (self.find(queryset, typed) if typed else queryset), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongChangeList

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *rest: Any) -> Any:
        # "Select all" means the rows that the list has counted.
        counted = list(queryset.values_list("pk", flat=True)[:MOST_COUNTED])
        return super().response_action(request, queryset.filter(pk__in=counted), *rest)


class OlderFilter(admin.SimpleListFilter):
    """The rows after a position; shown only if the list begins at one."""

    title = "position"
    parameter_name = "after"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        position = _read(self.value())
        if position is None:
            return []
        at = date_format(timezone.localtime(position[0]), "M j, Y, H:i")
        return [(str(self.value()), f"Older than {at}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        position = _read(self.value())
        if position is None:
            return queryset
        at, key = position
        field = _time_field(queryset.model)
        try:
            # By the index of the time alone; the key only tells rows of one moment apart.
            return queryset.filter(**{f"{field}__lte": at}).exclude(**{field: at, "pk__gte": key})
        except (ValidationError, ValueError):
            return queryset


class KindFilter(admin.SimpleListFilter):
    """The registered kinds. Django's own filter reads all rows to learn which kinds they have."""

    title = parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.label) for kind in kinds.REGISTRY.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class DateFilter(admin.SimpleListFilter):
    """The years since the oldest row, the months of the chosen year, the days of its month."""

    title, parameter_name = "date", "date"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        field = _time_field(model_admin.model)
        rows = model_admin.model._default_manager.order_by(field)
        oldest = rows.values_list(field, flat=True).first()
        return list(_dates(timezone.localtime(oldest), self.value() or "")) if oldest else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = _span(self.value() or "")
        if span is None:
            return queryset
        field = _time_field(queryset.model)
        return queryset.filter(**{f"{field}__gte": span[0], f"{field}__lt": span[1]})


def _dates(oldest: datetime, chosen: str) -> Iterator[tuple[str, str]]:
    for year in range(timezone.localtime().year, oldest.year - 1, -1):
        yield str(year), str(year)
        if chosen[:4] != str(year):
            continue
        for month in range(1, 13):
            yield f"{year}-{month:02}", date_format(date(year, month, 1), "F Y")
            if chosen[:7] != f"{year}-{month:02}":
                continue
            for day in range(1, monthrange(year, month)[1] + 1):
                this = date(year, month, day)
                yield this.isoformat(), date_format(this, "F j")


def _span(name: str) -> tuple[datetime, datetime] | None:
    """Return the beginning and end of a year, a month or a day, as in 2026-11-23."""
    try:
        match name.count("-"):
            case 0:
                start = datetime.strptime(name, "%Y")
                end = start.replace(year=start.year + 1)
            case 1:
                start = datetime.strptime(name, "%Y-%m")
                end = (start + timedelta(days=31)).replace(day=1)
            case _:
                start = datetime.strptime(name, "%Y-%m-%d")
                end = start + timedelta(days=1)
        return timezone.make_aware(start), timezone.make_aware(end)
    except (ValueError, OverflowError):
        return None


def _time_field(model: type[Model]) -> str:
    return cast(LongList, admin.site._registry[model]).time_field


def _position(row: Model, time_field: str) -> str:
    return f"{getattr(row, time_field).isoformat()}~{row.pk}"


def _read(position: str | None) -> tuple[datetime, str] | None:
    at, _, key = (position or "").partition("~")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    return (moment, key) if moment and key and timezone.is_aware(moment) else None
