"""The admin of companies' rules: what their people get on which channel."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.core.delivery import holds
from apps.core.message import kinds
from apps.core.models import Rule
from apps.site import directory


class RuleForm(forms.ModelForm):
    group = forms.ChoiceField(label="Company")
    category = forms.ChoiceField(required=False)

    class Meta:
        model = Rule
        fields = ["group", "category", "channel", "rule"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].choices = list(directory.companies().items())  # type: ignore[attr-defined]
        self.fields["category"].choices = [  # type: ignore[attr-defined]
            ("", "Every category"),
            *_categories().items(),
        ]


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    form = RuleForm
    list_display = ["company", "of_category", "channel", "rule", "by", "at"]
    list_filter = ["channel", "rule"]
    ordering = ["group", "category", "channel"]

    @admin.display(ordering="group")
    def company(self, rule: Rule) -> str:
        return directory.companies().get(rule.group, rule.group)

    @admin.display(description="category", ordering="category")
    def of_category(self, rule: Rule) -> str:
        return _categories().get(rule.category, rule.category) or "Every category"

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        assert request.user.is_authenticated
        before = Rule.objects.get(pk=obj.pk).group if change else obj.group
        obj.by, obj.at = request.user, Now()
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            _decide_again({before, obj.group})

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        with transaction.atomic():
            super().delete_model(request, obj)
            _decide_again({obj.group})

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        groups = set(queryset.values_list("group", flat=True))
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            _decide_again(groups)


def _categories() -> dict[str, str]:
    every = {kind.category for kind in kinds.REGISTRY.values()}
    return {each.name: each.label for each in every if not each.is_fixed}


def _decide_again(groups: set[str]) -> None:
    """Decide again about what is held for the people of these companies."""
    for group in directory.get().groups():
        if group.key in groups:
            for user in group.members:
                holds.recompute(user.pk)
