"""The group of the office's staff: what it may do, and what it may not."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from apps.core.models import Delivery
from apps.office import group

pytestmark = pytest.mark.sqlite

#: What the office may do in the admin, by model: it views all of these.
MAY = {
    "core.channelstop": set(),
    "core.contact": {"add", "change"},
    "core.delivery": set(),
    "core.notification": set(),
    "core.providerevent": set(),
    "core.rule": {"add", "change", "delete"},
    "core.setaside": set(),
    "core.smsspend": set(),
    "core.suppression": set(),
    "repairs.company": {"add", "change"},
    "repairs.fleetunit": {"add", "change"},
    "repairs.profile": {"add", "change"},
    "repairs.repair": set(),
    "repairs.repairbatch": set(),
    "auth.user": set(),
}


def test_the_admin_offers_the_office_these_models_and_no_others(
    client: Client, clerk: User
) -> None:
    apps_shown = client.get("/admin/").context["app_list"]
    shown = {
        model["model"]._meta.label_lower: {
            name for name, given in model["perms"].items() if given and name != "view"
        }
        for app in apps_shown
        for model in app["models"]
    }
    # Change_delivery and the like are for actions: their pages stay read-only.
    assert shown == MAY


@pytest.mark.parametrize("label", sorted(model._meta.label_lower for model in admin.site._registry))
def test_every_page_of_the_admin_opens_or_is_refused_by_that_table(
    client: Client, rows: None, clerk: User, label: str
) -> None:
    model = apps.get_model(label)
    row = model._default_manager.first()
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    may = MAY.get(label)
    assert client.get(base).status_code == (403 if may is None else 200)
    assert client.get(f"{base}add/").status_code == (200 if may and "add" in may else 403)
    if row:
        page = f"{base}{row.pk}"
        assert client.get(f"{page}/change/").status_code == (403 if may is None else 200)
        changed = client.post(f"{page}/change/", {}).status_code
        assert changed == (200 if may and "change" in may else 403)
        deleted = client.get(f"{page}/delete/").status_code
        assert deleted == (200 if may and "delete" in may else 403)


@pytest.mark.parametrize(
    "name",
    [
        "cockpit",
        "people",
        "new-person",
        "unreached",
        "brand",
        "announcements",
        "new-announcement",
    ],
)
def test_the_office_s_pages_open(client: Client, clerk: User, name: str) -> None:
    assert client.get(reverse(f"office:{name}")).status_code == 200


def test_the_office_opens_a_person_their_settings_and_their_data(
    client: Client, clerk: User, person: Callable[..., User]
) -> None:
    pk = person().pk
    for name in ("office:person", "office:export", "office:erase", "account:of"):
        assert client.get(reverse(name, args=[pk])).status_code == 200, name


@pytest.mark.parametrize(
    ("channel", "action", "status"),
    [("email", "pause", 200), ("email", "resume", 405), ("email", "try", 405)],
)
def test_the_office_may_stop_and_start_a_channel(
    client: Client, clerk: User, channel: str, action: str, status: int
) -> None:
    assert client.get(reverse(f"office:{action}-channel", args=[channel])).status_code == status


def test_the_office_can_make_nobody_staff_and_change_no_password(
    client: Client, clerk: User
) -> None:
    other = User.objects.create_user("other", password="unchanged-word")
    before = User.objects.filter(pk__in=[other.pk, clerk.pk]).values_list("password", "is_staff")
    kept = list(before)
    given = {"is_superuser": "on", "is_staff": "on", "username": "root", "_save": "1"}
    for url in (
        f"/admin/auth/user/{other.pk}/change/",
        f"/admin/auth/user/{clerk.pk}/change/",
        "/admin/auth/user/add/",
        f"/admin/auth/user/{other.pk}/password/",
        f"/admin/auth/user/{other.pk}/delete/",
        "/admin/auth/group/add/",
    ):
        assert client.post(url, given).status_code == 403, url
    assert list(before.all()) == kept
    assert not User.objects.filter(is_superuser=True).exists()


def test_the_office_sees_no_part_of_a_password_and_no_permissions(
    client: Client, clerk: User
) -> None:
    other = User.objects.create_user("other", password="unchanged-word")
    page = client.get(f"/admin/auth/user/{other.pk}/change/").content.decode()
    assert "pbkdf2" not in page
    assert "algorithm" not in page
    assert "user_permissions" not in page


def test_the_office_may_not_erase_a_superuser(client: Client, clerk: User) -> None:
    boss = User.objects.create_superuser("boss")
    client.post(reverse("office:erase", args=[boss.pk]), {"username": "boss"})
    boss.refresh_from_db()
    assert boss.is_active


def test_each_migrate_adds_what_is_missing_and_removes_nothing(db: None) -> None:
    office = Group.objects.get(name=group.NAME)
    own = Permission.objects.get(codename="view_logentry")
    office.permissions.remove(Permission.objects.get(codename="view_delivery"))
    office.permissions.add(own)
    call_command("migrate", verbosity=0)
    names = {
        f"{each.content_type.app_label}.{each.codename}"
        for each in office.permissions.select_related("content_type")
    }
    wanted = {f"{app}.{name}" for app, given in group.PERMISSIONS.items() for name in given}
    assert names == wanted | {"admin.view_logentry"}
    assert Group.objects.filter(name=group.NAME).count() == 1


def test_staff_without_the_group_see_nothing(
    client: Client, db: None, delivery: Callable[..., Delivery]
) -> None:
    client.force_login(User.objects.create_user("temp", is_staff=True))
    assert client.get("/admin/").context["app_list"] == []
    assert client.get(f"/admin/core/delivery/{delivery().pk}/change/").status_code == 403
    assert client.get("/office/").status_code == 403


def test_a_database_that_was_emptied_has_the_group_again(transactional_db: None) -> None:
    call_command("flush", interactive=False, verbosity=0)
    names = Group.objects.get(name=group.NAME).permissions.values_list("codename", flat=True)
    assert set(names) == {name for given in group.PERMISSIONS.values() for name in given}
