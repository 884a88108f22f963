"""The roles and companies, for the office's pages."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet

from apps.site import directory
from apps.site.directory import Duty, Group

from .models import Company, EventAction, Profile, RepairEvent, Role

#: Stands for the name of an erased person.
_SOMEBODY = "a former colleague"


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

    def duties(self) -> list[Duty]:
        people = Profile.objects.select_related("user").filter(user__is_active=True)
        approvers: dict[int | None, list[User]] = {}
        for each in people.filter(role=Role.MANAGER).order_by("pk"):
            approvers.setdefault(each.company_id, []).append(each.user)
        technicians = [each.user for each in people.filter(role=Role.TECHNICIAN).order_by("pk")]
        found = [
            Duty(f"approves for {each.name}", approvers.get(each.pk, []))
            for each in Company.objects.all()
        ]
        return [*found, Duty("technician", technicians)] if technicians else found

    def places(self, users: Iterable[User]) -> dict[int, str]:
        profiles = Profile.objects.filter(user__in=users).select_related("company")
        return {each.user_id: _place(each) for each in profiles}

    def peers(self, user: User) -> QuerySet[User]:
        profile = Profile.objects.filter(user=user).first()
        if not profile:
            return User.objects.none()
        same = User.objects.filter(
            is_active=True, profile__role=profile.role, profile__company=profile.company_id
        )
        return same.exclude(pk=user.pk).order_by("first_name", "last_name", "pk")

    def records(self, user: User) -> dict[str, Any]:
        profile = Profile.objects.filter(user=user).select_related("company").first()
        if not profile:
            return {}
        done = profile.events.values("repair_id", "at", "action", "note")
        return {
            "role": profile.role,
            "company": profile.company.name if profile.company else "",
            "requested_repairs": [each.number for each in profile.requested_repairs.all()],
            "assigned_repairs": [each.number for each in profile.repairs.all()],
            "photos": [
                {"repair": each.repair.number, "moment": each.moment, "at": each.created_at}
                for each in profile.repair_photos.select_related("repair")
            ],
            "actions": list(done.order_by("at")),
        }

    def forget(self, user: User) -> None:
        if profile := Profile.objects.filter(user=user).first():
            named = RepairEvent.objects.filter(
                action__in=[EventAction.ASSIGNED, EventAction.REASSIGNED],
                note__contains=profile.name,
            )
            for event in named:
                event.note = event.note.replace(profile.name, _SOMEBODY)
                event.save(update_fields=["note"])

    def role_form(self, given: Mapping[str, Any] | None) -> forms.ModelForm:
        return RoleForm(given)


def register() -> None:
    directory.register(Roles())


def _place(profile: Profile) -> str:
    role = profile.get_role_display()
    return f"{role}, {profile.company.name}" if profile.company else role
