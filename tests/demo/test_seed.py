from io import StringIO

import phonenumbers
import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone

from apps.core.models import Contact, Notification
from apps.core.states import Channel
from apps.demo import data
from apps.repairs.models import EventAction, Repair, RepairBatch, Role, Status
from apps.repairs.permissions import RULES, Action

pytestmark = pytest.mark.django_db

ACTIONS = {
    EventAction.SUBMITTED: Action.SUBMIT_ESTIMATE,
    EventAction.APPROVED: Action.APPROVE,
    EventAction.DENIED: Action.DENY,
    EventAction.ASSIGNED: Action.ASSIGN,
    EventAction.REASSIGNED: Action.ASSIGN,
    EventAction.STARTED: Action.START,
    EventAction.COMPLETED: Action.COMPLETE,
    EventAction.COST_SUBMITTED: Action.COMPLETE,
}
LAST = {
    Status.REQUESTED: {EventAction.REQUESTED, EventAction.ASSIGNED},
    Status.AWAITING_APPROVAL: {EventAction.SUBMITTED},
    Status.APPROVED: {EventAction.APPROVED},
    Status.DENIED: {EventAction.DENIED},
    Status.IN_PROGRESS: {EventAction.STARTED},
    Status.COST_APPROVAL: {EventAction.COST_SUBMITTED},
    Status.COMPLETED: {EventAction.COMPLETED},
}


def seed() -> str:
    out = StringIO()
    call_command("seed_demo", stdout=out)
    return out.getvalue()


def everything() -> dict[type[Model], list[object]]:
    return {
        model: list(model._default_manager.values())
        for label in ("auth", "core", "repairs")
        for model in apps.get_app_config(label).get_models()
    }


def test_a_second_run_changes_nothing_and_says_so() -> None:
    assert "is ready: 40 repairs" in seed()
    before = everything()
    assert "nothing was changed" in seed()
    assert everything() == before


def test_it_ends_with_the_list_of_sign_ins() -> None:
    table = seed().splitlines()[-len(data.SIGN_INS) :]
    assert [line.split()[0] for line in table] == [person.username for person in data.SIGN_INS]
    for person in data.SIGN_INS:
        assert authenticate(username=person.username, password=data.PASSWORD)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_it_runs_in_development_only(environment: str, settings: object) -> None:
    settings.ENVIRONMENT = environment  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="development only"):
        seed()
    assert not Repair.objects.exists()


def test_it_sends_no_notifications() -> None:
    seed()
    assert not Notification.objects.exists()


def test_every_status_and_an_open_batch_exist() -> None:
    seed()
    assert set(Repair.objects.values_list("status", flat=True)) == set(Status)
    waiting = RepairBatch.objects.filter(repairs__status=Status.AWAITING_APPROVAL).distinct()
    assert waiting.get().repairs.count() == 3
    alone = Repair.objects.filter(status=Status.AWAITING_APPROVAL, batch=None)
    assert alone.exclude(technician=None).count() >= 3


def test_all_can_be_reached_except_one_without_consent_to_texts() -> None:
    seed()
    contacts = list(Contact.objects.select_related("user"))
    for contact in contacts:
        contact.full_clean()
        assert phonenumbers.is_valid_number(phonenumbers.parse(contact.phone))
        assert not contact.why_not(Channel.EMAIL)
    assert [c.user.username for c in contacts if c.why_not(Channel.SMS)] == ["dave"]


def test_every_history_follows_the_rules() -> None:
    seed()
    for repair in Repair.objects.prefetch_related("events__actor"):
        lines = list(repair.events.all())
        assert lines[-1].action in LAST[Status(repair.status)]
        assert [line.at for line in lines] == sorted(line.at for line in lines)
        assert (repair.created_at, repair.updated_at) == (lines[0].at, lines[-1].at)
        assert lines[-1].at <= timezone.now()
        assert (timezone.now() - lines[0].at).days <= 42
        for line in lines[1:]:
            assert line.actor.role in RULES[ACTIONS[EventAction(line.action)]].roles
            if line.actor.role == Role.MANAGER:
                assert line.actor.company_id == repair.unit.company_id
