"""The admin of stopped channels and of the money for texts."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.core.models import ChannelStop, SMSSpend
from apps.core.models.channel_stop import StopCause
from apps.site.page_actions import PageActions
from apps.site.read_only_admin import ReadOnlyMixin

from .. import resuming
from . import meant


@admin.register(ChannelStop)
class ChannelStopAdmin(ReadOnlyMixin, PageActions):
    list_display = ["channel", "cause", "since", "why", "probes", "probe_at"]
    actions = ["try_now", "resume"]

    def fits(self, action: str, row: ChannelStop) -> bool:
        return (row.cause == StopCause.PERSON) == (action == "resume")

    @admin.display(description="why")
    def why(self, row: ChannelStop) -> str:
        said = f"{row.code} {row.reason}".strip()
        return meant.answer(said) if row.cause == StopCause.PROVIDER else said

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_channelstop")

    @admin.action(
        description="Try now (provider), or start again with new counts (reputation)",
        permissions=["settle"],
    )
    def try_now(self, request: HttpRequest, chosen: QuerySet[ChannelStop]) -> None:
        assert request.user.is_authenticated
        by = request.user
        tried = sum(resuming.try_now(row, by) for row in chosen)
        held_back = chosen.filter(cause=StopCause.REPUTATION)
        lifted = sum(resuming.resume(row, by) for row in held_back)
        if tried:
            messages.success(request, f"{tried} channels will be tried with the next delivery.")
        if lifted:
            messages.success(request, "E-mail is sent again; bounces are counted from now on.")
        if chosen.filter(cause=StopCause.PERSON).exists():
            messages.info(request, 'Use the action "Resume" for a channel that a person paused.')

    @admin.action(description="Resume (paused by a person)", permissions=["settle"])
    def resume(self, request: HttpRequest, chosen: QuerySet[ChannelStop]) -> None:
        assert request.user.is_authenticated
        rows = list(chosen.filter(cause=StopCause.PERSON))
        ended = sum(resuming.resume(row, request.user) for row in rows)
        messages.success(request, f"{ended} pauses ended; what waited goes out now.")


@admin.register(SMSSpend)
class SMSSpendAdmin(ReadOnlyMixin, ModelAdmin):
    list_display = ["month", "committed_usd", "refused_at"]
    ordering = ["-month"]
