"""The group of the office's staff: what its pages and its part of the admin need, and no more."""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.db import DEFAULT_DB_ALIAS

NAME = "Office"
#: The permissions by app. None lets a person make staff, or change what anybody may do.
PERMISSIONS = {
    "core": [
        "view_notification",
        "view_delivery",
        "change_delivery",
        "view_notificationdeliverylog",
        "view_providerevent",
        "view_setaside",
        "view_suppression",
        "change_suppression",
        "view_channelstop",
        "change_channelstop",
        "view_smsspend",
        "view_contact",
        "add_contact",
        "change_contact",
        "view_preferences",
        "change_preferences",
        "view_rule",
        "add_rule",
        "change_rule",
        "delete_rule",
        "view_brandversion",
        "add_brandversion",
        "view_wordingversion",
        "add_wordingversion",
        "change_wordingversion",
    ],
    "office": ["view_announcement", "add_announcement", "change_announcement"],
    # Adding, exporting and erasing people, on the office's own pages.
    "auth": ["view_user", "add_user", "delete_user"],
    "repairs": [
        "view_company",
        "add_company",
        "change_company",
        "view_fleetunit",
        "add_fleetunit",
        "change_fleetunit",
        "view_profile",
        "add_profile",
        "change_profile",
        "view_repair",
        "view_repairbatch",
        "view_repairevent",
    ],
}


def give_permissions(
    app_config: AppConfig, apps: Apps = global_apps, using: str = DEFAULT_DB_ALIAS, **_: Any
) -> None:
    """Add the app's permissions to the group, after Django has made them; remove none."""
    names = PERMISSIONS.get(app_config.label)
    if not names:
        return
    try:
        group_model = apps.get_model("auth", "Group")
        permission_model = apps.get_model("auth", "Permission")
    except LookupError:
        # An early state of the database, as while going back.
        return
    group, _created = group_model.objects.using(using).get_or_create(name=NAME)
    group.permissions.add(
        *permission_model.objects.using(using).filter(
            content_type__app_label=app_config.label, codename__in=names
        )
    )
