"""The roles and companies, for the office's pages."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User

from apps.site import directory
from apps.site.directory import Group

from .models import Company, Profile, Role


class RoleForm(forms.ModelForm):
    class Meta:
        model = Profile
        fields = ["role", "company"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["company"].help_text = "Of a fleet manager only."
        self.fields["role"].error_messages["required"] = "Choose the role."


class Roles:
    def groups(self) -> list[Group]:
        active = User.objects.filter(is_active=True)
        roles = [
            Group(f"role:{role}", f"Every {role.label.lower()}", active.filter(profile__role=role))
            for role in (Role.MANAGER, Role.TECHNICIAN)
        ]
        office = active.filter(profile__role=Role.OFFICE)
        companies = [
            Group(f"company:{each.pk}", each.name, active.filter(profile__company=each))
            for each in Company.objects.all()
        ]
        return [*roles, Group(f"role:{Role.OFFICE}", "The office", office), *companies]

    def places(self, users: Iterable[User]) -> dict[int, str]:
        profiles = Profile.objects.filter(user__in=users).select_related("company")
        return {each.user_id: _place(each) for each in profiles}

    def role_form(self, given: Mapping[str, Any] | None) -> forms.ModelForm:
        return RoleForm(given)


def register() -> None:
    directory.register(Roles())


def _place(profile: Profile) -> str:
    role = profile.get_role_display()
    return f"{role}, {profile.company.name}" if profile.company else role
