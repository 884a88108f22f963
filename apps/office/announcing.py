"""Send an announcement: what it will cost, how far it is, and how it is stopped."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils import timezone

from apps.core.guards import rate_limit, sms_budget
from apps.core.message import decide, people, rendering, segments
from apps.core.message.rendering import EmailContent, SMSContent
from apps.core.models import Contact, Delivery, Notification, SMSSpend
from apps.core.reasons import Verdict
from apps.core.services.notification import NotificationService
from apps.core.states import FINISHED, SENT, Channel, DeliveryState, Priority
from apps.site import directory

from .kinds import ANNOUNCEMENT, Announced
from .models import Announcement


@dataclass
class Estimate:
    """What an announcement would do if it were sent now."""

    recipients: int = 0
    emails: int = 0
    texts: int = 0
    #: Parts of one text message, and what all of them cost, in US dollars.
    parts: int = 0
    cost: Decimal = Decimal(0)
    #: Deliveries that wait for their recipients' own time.
    held: int = 0
    #: People whom it reaches in the app only.
    app_only: int = 0
    #: Seconds until the last one that does not wait has left, those before it included.
    takes: timedelta = timedelta(0)
    #: US dollars that are left of this month's budget.
    budget: Decimal = Decimal(0)

    @property
    def is_too_dear(self) -> bool:
        return self.cost > self.budget


@dataclass
class Progress:
    """How far an announcement is."""

    total: int = 0
    done: int = 0
    sent: int = 0
    held: int = 0
    #: How many are in each state, by the state's label.
    states: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return self.total - self.done


def recipients(announcement: Announcement) -> QuerySet[User]:
    """Return the active people of the audience. Raise LookupError if the group is gone."""
    if not announcement.audience:
        return User.objects.filter(is_active=True)
    return _group(announcement).members


def audience_label(announcement: Announcement) -> str:
    try:
        return _group(announcement).label if announcement.audience else "Everyone"
    except LookupError:
        return "A group that no longer exists"


def estimate(announcement: Announcement) -> Estimate:
    """Decide about every recipient as `notify()` would, without sending anything."""
    ids = list(recipients(announcement).values_list("pk", flat=True))
    priority, now = Priority(announcement.priority), timezone.now()
    numbers = dict(Contact.objects.filter(user__in=ids).values_list("user", "phone"))
    found = Estimate(recipients=len(ids), parts=segments.count(sms(announcement).text).parts)
    for person in people.load(ids).values():
        plan = decide.plan(ANNOUNCEMENT, person, priority, now)
        ways = {c: d for c, d in plan.items() if d.verdict != Verdict.SKIP}
        found.app_only += not ways
        found.held += sum(way.verdict == Verdict.HOLD for way in ways.values())
        found.emails += Channel.EMAIL in ways
        if Channel.SMS in ways:
            found.texts += 1
            found.cost += sms_budget.price(numbers[person.id], found.parts)
    found.takes = _takes(found)
    found.budget = _budget_left()
    return found


def send(announcement: Announcement, *, by: User) -> bool:
    """Send a draft to its audience; return False if another click was first."""
    with transaction.atomic():
        draft = Announcement.objects.filter(pk=announcement.pk, sent_at=None)
        everyone = list(recipients(announcement))
        if not draft.update(sent_at=timezone.now(), sent_by=by, recipients=len(everyone)):
            return False
        NotificationService().notify(
            ANNOUNCEMENT.name,
            everyone,
            _context(announcement, by).model_dump(mode="json"),
            priority=Priority(announcement.priority),
            about=announcement,
            action_url=reverse("notifications:inbox"),
            dedup_key=f"announcement:{announcement.pk}",
        )
    return True


def stop(announcement: Announcement, *, by: User) -> int | None:
    """Stop what has not left yet; return how many, or None if it was not being sent."""
    with transaction.atomic():
        running = Announcement.objects.filter(
            pk=announcement.pk, sent_at__isnull=False, stopped_at=None
        )
        if not running.update(stopped_at=timezone.now(), stopped_by=by):
            return None
        name = by.get_full_name() or by.get_username()
        return NotificationService().settle(announcement, because=f"stopped by {name}")


def progress(announcement: Announcement) -> Progress:
    """Count the announcement's deliveries by their states."""
    rows = Delivery.objects.filter(notification__in=messages(announcement))
    counts = Counter(dict(rows.values_list("state").annotate(Count("pk")).order_by()))
    return Progress(
        total=sum(counts.values()),
        done=sum(counts[state] for state in FINISHED),
        sent=sum(counts[state] for state in SENT | {DeliveryState.FOLDED}),
        held=counts[DeliveryState.HELD],
        states={str(s.label): counts[s] for s in DeliveryState if counts[s]},
    )


def messages(announcement: Announcement) -> QuerySet[Notification]:
    kind = ContentType.objects.get_for_model(Announcement)
    return Notification.objects.filter(about_type=kind, about_id=str(announcement.pk))


def email(announcement: Announcement) -> EmailContent:
    return rendering.email(_sample(announcement))


def sms(announcement: Announcement) -> SMSContent:
    return rendering.sms(_sample(announcement))


def _sample(announcement: Announcement) -> Notification:
    """Return the message as its author would get it. It is not stored."""
    author = announcement.written_by or User(username="somebody")
    return Notification(
        recipient=author,
        kind=ANNOUNCEMENT.name,
        context=_context(announcement, author).model_dump(mode="json"),
        action_url=reverse("notifications:inbox"),
    )


def _context(announcement: Announcement, by: User) -> Announced:
    name = by.get_full_name() or by.get_username()
    return Announced(title=announcement.title, text=announcement.text, by=name)


def _group(announcement: Announcement) -> directory.Group:
    for group in directory.get().groups():
        if group.key == announcement.audience:
            return group
    raise LookupError(announcement.audience)


def _takes(found: Estimate) -> timedelta:
    seconds = 0.0
    for channel, weight in (
        (Channel.EMAIL, found.emails),
        (Channel.SMS, found.texts * found.parts),
    ):
        if weight:
            before = Delivery.objects.filter(channel=channel, state=DeliveryState.DUE).count()
            seconds = max(seconds, (before + weight) / rate_limit.rate(channel))
    return timedelta(seconds=round(seconds))


def _budget_left() -> Decimal:
    spent = SMSSpend.objects.filter(month=sms_budget.this_month()).first()
    used = spent.committed_usd if spent else Decimal(0)
    return max(Decimal(0), settings.SMS_MONTHLY_SPEND_LIMIT_USD - used)
