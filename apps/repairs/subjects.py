"""Repairs and batches as the notification center shows them."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop

from apps.core.message.kinds import format_money
from apps.core.message.stored_words import translated
from apps.site import subjects
from apps.site.subjects import ActionRefused, Done, Subject, SubjectAction

from . import services
from .exceptions import AlreadyDone, RepairError
from .forms import DenyForm
from .models import Profile, Repair, RepairBatch, RepairEvent, Role, Status
from .models.repair import UNDECIDED, RepairQuerySet
from .permissions import Action, actions_for
from .search import search
from .views.cards import batch_card, came_to, in_one_windshield

Result = TypeVar("Result")
#: The actions whose forms are on pages of their own.
_PAGES = {
    Action.SUBMIT_ESTIMATE: ("repairs:estimate", gettext_noop("Give the estimate")),
    Action.COMPLETE: ("repairs:complete", gettext_noop("Complete")),
    Action.ASSIGN: ("repairs:detail", gettext_noop("Assign a technician")),
}


def register() -> None:
    subjects.register(Repairs())
    subjects.register(Batches())


class Repairs:
    model: type[Model] = Repair

    def waiting(self, user: AbstractBaseUser) -> QuerySet[Any]:
        profile = _profile(user)
        if not profile:
            return Repair.objects.none()
        waiting = _waiting(profile)
        if profile.role == Role.MANAGER:
            # A manager approves the breaks of a batch as a whole: its own thread says so.
            return waiting.exclude(status=Status.AWAITING_APPROVAL, batch__isnull=False)
        return waiting

    def matching(self, user: AbstractBaseUser, words: str) -> QuerySet[Any]:
        return _matching(user, words)

    def describe(self, user: AbstractBaseUser, keys: Iterable[str]) -> dict[str, Subject]:
        profile = _profile(user)
        if not profile:
            return {}
        repairs = (
            Repair.objects.visible_to(profile)
            .with_details()
            .filter(pk__in=[int(key) for key in keys])
        )
        rows = {row.pk: row for row in repairs}
        last = _last_events(rows)
        return {
            str(pk): Subject(
                number=row.number,
                unit=row.unit.number,
                summary=translated(row.summary),
                url=row.get_absolute_url(),
                state=f"state-{row.status}",
                state_label=translated(row.get_status_display()),
                since=_since(last.get(pk)),
                actions=tuple(_actions(row, profile)),
            )
            for pk, row in rows.items()
        }

    def act(self, user: AbstractBaseUser, key: str, action: str, given: Mapping[str, str]) -> Done:
        profile = _profile(user)
        seen = Repair.objects.visible_to(profile) if profile else Repair.objects.none()
        repair = seen.with_details().filter(pk=key).first()
        if not profile or not repair:
            raise ActionRefused(gettext("You may no longer see this repair."))
        match action:
            case Action.APPROVE:
                done = _carry_out(services.approve, repair, by=profile)
            case Action.APPROVE_COST:
                done = _carry_out(services.approve_cost, repair, by=profile)
            case Action.DENY:
                done = _carry_out(services.deny, repair, _reason(given), by=profile)
            case Action.DENY_COST:
                done = _carry_out(services.deny_cost, repair, _reason(given), by=profile)
            case Action.START:
                done = _carry_out(services.start, repair, by=profile)
            case _:
                raise ActionRefused(_no_action(repair.number))
        repair.refresh_from_db()
        return Done(came_to(Action(action), repair), _undo_url(done))


class Batches:
    model: type[Model] = RepairBatch

    def waiting(self, user: AbstractBaseUser) -> QuerySet[Any]:
        profile = _profile(user)
        if not profile:
            return RepairBatch.objects.none()
        # Each higher cost is decided at the repair itself.
        waiting = _waiting(profile).exclude(status=Status.COST_APPROVAL)
        return RepairBatch.objects.filter(pk__in=waiting.values("batch"))

    def matching(self, user: AbstractBaseUser, words: str) -> QuerySet[Any]:
        return RepairBatch.objects.filter(pk__in=_matching(user, words).values("batch"))

    def describe(self, user: AbstractBaseUser, keys: Iterable[str]) -> dict[str, Subject]:
        profile = _profile(user)
        if not profile:
            return {}
        seen = (
            Repair.objects.visible_to(profile)
            .with_details()
            .filter(batch__in=[int(key) for key in keys])
        )
        breaks: dict[RepairBatch, list[Repair]] = {}
        for repair in seen.order_by("pk"):
            breaks.setdefault(repair.batch, []).append(repair)  # type: ignore[arg-type]
        last = _last_events(repair.pk for rows in breaks.values() for repair in rows)
        found = {}
        for batch, rows in breaks.items():
            # The state of the break that is furthest behind is what the batch waits for.
            behind = min(rows, key=lambda row: list(Status).index(Status(row.status)))
            card = batch_card(batch, rows, profile)
            approve = SubjectAction(Action.APPROVE_BATCH, _approve(card.to_approve), is_main=True)
            found[str(batch.pk)] = Subject(
                number=batch.number,
                unit=behind.unit.number,
                summary=in_one_windshield(len(rows)),
                url=batch.get_absolute_url(),
                state=f"state-{behind.status}",
                state_label=translated(behind.get_status_display()),
                since=_since(last.get(behind.pk)),
                actions=(approve, _deny(Action.DENY_BATCH)) if card.may_approve else (),
            )
        return found

    def act(self, user: AbstractBaseUser, key: str, action: str, given: Mapping[str, str]) -> Done:
        profile = _profile(user)
        seen = RepairBatch.objects.visible_to(profile) if profile else RepairBatch.objects.none()
        batch = seen.filter(pk=key).select_related("unit__company").first()
        if not profile or not batch:
            raise ActionRefused(gettext("You may no longer see this batch."))
        match action:
            case Action.APPROVE_BATCH:
                done = _carry_out(services.approve_batch, batch, by=profile)
                return Done(
                    gettext("{number} is approved.").format(number=batch.number), _undo_url(done[0])
                )
            case Action.DENY_BATCH:
                done = _carry_out(services.deny_batch, batch, _reason(given), by=profile)
                return Done(
                    gettext("{number} is denied.").format(number=batch.number), _undo_url(done[0])
                )
        raise ActionRefused(_no_action(batch.number))


def _profile(user: AbstractBaseUser) -> Profile | None:
    """Return the user's profile, read once for each request."""
    try:
        return user.profile  # type: ignore[attr-defined]
    except Profile.DoesNotExist:
        return None


def _waiting(profile: Profile) -> RepairQuerySet:
    """Return the repairs that cannot go on before this person acts.

    A repair in progress is not among them: its technician is at work, and needs no bell for it.
    """
    seen = Repair.objects.visible_to(profile)
    match profile.role:
        case Role.MANAGER:
            return seen.filter(status__in=UNDECIDED)
        case Role.TECHNICIAN:
            return seen.filter(status__in=[Status.REQUESTED, Status.APPROVED])
        case Role.OFFICE:
            return seen.unassigned()
    return seen.none()


def _matching(user: AbstractBaseUser, words: str) -> RepairQuerySet:
    profile = _profile(user)
    if not profile:
        return Repair.objects.none()
    seen = Repair.objects.visible_to(profile)
    people = Profile.objects.all()
    for word in words.split():
        people = people.filter(
            Q(user__first_name__icontains=word)
            | Q(user__last_name__icontains=word)
            | Q(user__username__iexact=word)
        )
    events = RepairEvent.objects.filter(actor__in=people.values("pk"))
    return search(seen, words) | seen.filter(pk__in=events.values("repair"))


def _actions(repair: Repair, profile: Profile) -> Iterable[SubjectAction]:
    for action in actions_for(repair, profile):
        match action:
            case Action.APPROVE:
                yield SubjectAction(action, _approve(repair.estimate), is_main=True)
            case Action.APPROVE_COST:
                yield SubjectAction(action, _approve(repair.final_cost), is_main=True)
            case Action.START:
                yield SubjectAction(action, gettext("Start the repair"), is_main=True)
            case Action.DENY | Action.DENY_COST:
                yield _deny(action)
            case Action.SUBMIT_ESTIMATE | Action.COMPLETE | Action.ASSIGN:
                if action == Action.ASSIGN and not repair.is_unassigned:
                    continue
                page, label = _PAGES[action]
                url = reverse(page, args=[repair.pk])
                yield SubjectAction(action, gettext(label), url=url, is_main=True)


def _no_action(number: str) -> str:
    return gettext("{number} has no action of this name; open its page.").format(number=number)


def _approve(amount: Decimal | None) -> str:
    return gettext("Approve {amount}").format(amount=format_money(amount or Decimal(0)))


def _deny(action: Action) -> SubjectAction:
    field = DenyForm.base_fields["reason"]
    return SubjectAction(
        action,
        gettext("Deny"),
        asks=str(field.label),
        hint=str(field.help_text),
        missing=str(field.error_messages["required"]),
    )


def _last_events(keys: Iterable[int]) -> dict[int, RepairEvent]:
    """Return the last event of each repair, by its key."""
    events = RepairEvent.objects.filter(repair__in=list(keys)).select_related("actor__user")
    return {event.repair_id: event for event in events.order_by("at", "pk")}


def _since(event: RepairEvent | None) -> str:
    if not event:
        return ""
    return gettext("{done} by {name}, {at}").format(
        done=translated(event.get_action_display()),
        name=event.actor.name,
        at=date_format(timezone.localtime(event.at), "MOMENT"),
    )


def _reason(given: Mapping[str, str]) -> str:
    form = DenyForm({"reason": given.get("text", "")})
    if not form.is_valid():
        is_missing = form.has_error("reason", "required")
        raise ActionRefused(str(form.errors["reason"][0]), is_missing=is_missing)
    return str(form.cleaned_data["reason"])


def _carry_out(do: Callable[..., Result], *args: Any, by: Profile) -> Result:
    try:
        return do(*args, by=by)
    except RepairError as why:
        raise ActionRefused(str(why), is_news=isinstance(why, AlreadyDone)) from why


def _undo_url(event: RepairEvent) -> str:
    return reverse("repairs:undo", args=[event.pk])
