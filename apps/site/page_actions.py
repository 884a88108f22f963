"""The actions of a list, offered on each row's page too."""

from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin


class PageActions(ModelAdmin):
    """Offers them as buttons that post. Unfold's own actions_detail are links, and run by GET."""

    change_form_outer_before_template = "admin/page_actions.html"

    def fits(self, action: str, row: Any) -> bool:
        """Return whether the action can do anything for the row now."""
        return True

    def get_urls(self) -> list[URLPattern]:
        run = self.admin_site.admin_view(self.run_action)
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        return [path("<path:object_id>/do/<str:action>/", run, name=name), *super().get_urls()]

    @method_decorator(require_POST)
    def run_action(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Run one of the list's actions for this row alone, and return to its page."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        offered = self.get_actions(request)
        if action not in offered or not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        chosen = self.get_queryset(request).filter(pk=row.pk)
        offered[action][0](self, request, chosen)
        return HttpResponseRedirect(self._page_of(request, row if chosen.exists() else None))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        context["page_actions"] = self._buttons(request, row) if row else []
        return super().render_change_form(request, context, *args, **kwargs)

    def _buttons(self, request: HttpRequest, row: Any) -> list[tuple[str, str]]:
        """Return the URLs and labels of the actions that fit; deleting has a button already."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        return [
            (self._filtered(request, reverse(name, args=[quote(row.pk), action])), _label(words))
            for action, (_, _, words) in self.get_actions(request).items()
            if action != "delete_selected" and self.fits(action, row)
        ]

    def _page_of(self, request: HttpRequest, row: Any) -> str:
        """Return the row's page, or the list if the action has removed it."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if row is None:
            return self._filtered(request, reverse(f"{name}_changelist"))
        return self._filtered(request, reverse(f"{name}_change", args=[quote(row.pk)]))

    def _filtered(self, request: HttpRequest, url: str) -> str:
        """Return the URL with the filters of the list from which the person came."""
        kept = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return add_preserved_filters(kept, url)


def _label(description: str) -> str:
    """Return an action's description without the states that it is for, which a list needs."""
    return description.partition(" (")[0]
