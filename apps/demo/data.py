"""The demo: two fleets and six weeks of repairs, for development only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from apps.core.message.kinds import format_money
from apps.core.models import Contact
from apps.core.services.contacts import consent_wording
from apps.office import group
from apps.repairs import photos
from apps.repairs.models import (
    Company,
    Damage,
    EventAction,
    FleetUnit,
    Moment,
    Position,
    Profile,
    Repair,
    RepairBatch,
    RepairEvent,
    Role,
    Status,
)

SAMPLE_PHOTO = settings.BASE_DIR / "rs_systems" / "static" / "sample-photo.jpg"
PASSWORD = "demo"  # noqa: S105  the sign-in that `make run` prints
REDWOOD, LAKESHORE = "Redwood Freight", "Lakeshore Dairy"
BOUNCING = "bounce@simulator.amazonses.com"


@dataclass(frozen=True)
class Person:
    username: str
    name: str
    role: Role
    time_zone: str
    company: str = ""
    sms_opt_in: bool = True
    email: str = ""


SIGN_INS = [
    Person("maria", "Maria Alvarez", Role.MANAGER, "America/Chicago", REDWOOD),
    Person("luis", "Luis Romero", Role.MANAGER, "America/Denver", REDWOOD),
    Person("helen", "Helen Park", Role.MANAGER, "America/New_York", LAKESHORE),
    Person("sam", "Sam Whitaker", Role.OFFICE, "America/New_York"),
    Person("jane", "Jane Ortiz", Role.TECHNICIAN, "America/Chicago"),
    Person("tom", "Tom Becker", Role.TECHNICIAN, "America/Chicago"),
    Person("priya", "Priya Nair", Role.TECHNICIAN, "America/New_York"),
    Person("dave", "Dave O'Brien", Role.TECHNICIAN, "America/Denver", sms_opt_in=False),
    Person("keisha", "Keisha Brooks", Role.TECHNICIAN, "America/Los_Angeles"),
    # SES's mailbox simulator bounces every message to this address permanently.
    Person("rosa", "Rosa Delgado", Role.TECHNICIAN, "America/Chicago", email=BOUNCING),
]

UNITS = {
    REDWOOD: {
        "204": ("2019 Freightliner Cascadia", "IL P 48213"),
        "208": ("2019 Freightliner Cascadia", "IL P 48217"),
        "213": ("2020 Kenworth T680", "IL P 50342"),
        "219": ("2020 Kenworth T680", "IL P 50348"),
        "226": ("2020 Peterbilt 579", "IL P 51906"),
        "305": ("2021 Volvo VNL 760", "IL P 60177"),
        "312": ("2021 Volvo VNL 760", "IL P 60184"),
        "318": ("2022 International LT", "IL P 61450"),
        "417": ("2021 Freightliner Cascadia", "IL P 62091"),
        "422": ("2022 Freightliner Cascadia", "IL P 62096"),
        "430": ("2023 Kenworth T680", "IL P 64320"),
        "436": ("2023 Mack Anthem", "IL P 64331"),
    },
    LAKESHORE: {
        "D1": ("2018 Isuzu NPR-HD", "WI LT 2207"),
        "D2": ("2018 Isuzu NPR-HD", "WI LT 2208"),
        "D3": ("2020 Hino 268A", "WI LT 3419"),
        "D4": ("2020 Hino 268A", "WI LT 3420"),
        "D5": ("2021 Ford F-650", "WI LT 4015"),
        "D6": ("2022 Ford Transit 350", "WI LT 4688"),
        "D7": ("2022 Ford Transit 350", "WI LT 4689"),
        "D8": ("2023 Freightliner M2 106", "WI LT 5102"),
    },
}


@dataclass(frozen=True)
class Case:
    """One repair: its status, and the hours since it reached it."""

    status: Status
    hours: float
    unit: str
    damage: Damage
    position: Position
    by: str
    technician: str = ""
    estimate: str = ""
    description: str = ""
    reason: str = ""
    before: str = ""
    batch: str = ""
    #: The final cost, if it is not the estimate, and why.
    cost: str = ""
    cost_reason: str = ""
    #: Its technician made a photo of the damage: always that of a star break.
    photo: bool = False


_REQUESTED, _AWAITING, _APPROVED = Status.REQUESTED, Status.AWAITING_APPROVAL, Status.APPROVED
_DENIED, _IN_PROGRESS, _COMPLETED = Status.DENIED, Status.IN_PROGRESS, Status.COMPLETED
_COST_APPROVAL = Status.COST_APPROVAL
_CHIP, _STAR, _BULLSEYE = Damage.CHIP, Damage.STAR_BREAK, Damage.BULLSEYE
_CRACK, _COMBINATION = Damage.CRACK, Damage.COMBINATION
_DRIVER, _CENTER, _PASSENGER = Position.DRIVER_SIDE, Position.CENTER, Position.PASSENGER_SIDE
_TOP, _BOTTOM = Position.TOP_EDGE, Position.BOTTOM_EDGE
_DAY = 24

# fmt: off
CASES = [
    Case(_COMPLETED, 38 * _DAY, "204", _STAR, _DRIVER, "jane", "jane", "95.00",
         "Gravel strike on I-55, legs under an inch.", photo=True),
    Case(_COMPLETED, 37 * _DAY, "D3", _CHIP, _CENTER, "helen", "priya", "65.00"),
    Case(_COMPLETED, 35 * _DAY, "312", _CRACK, _BOTTOM, "tom", "tom", "185.00",
         "Four inches, has not reached the edge seal."),
    Case(_COMPLETED, 30 * _DAY, "D6", _STAR, _DRIVER, "priya", "priya", "95.00"),
    Case(_COMPLETED, 27 * _DAY, "430", _COMBINATION, _DRIVER, "keisha", "keisha", "140.00",
         "Star and bullseye in the wiper path."),
    Case(_COMPLETED, 26 * _DAY, "226", _CHIP, _TOP, "sam", "tom", "65.00", before="dave"),
    Case(_COMPLETED, 22 * _DAY, "D1", _CRACK, _PASSENGER, "helen", "priya", "210.00",
         "Driver reports that it grew over the weekend."),
    Case(_COMPLETED, 19 * _DAY, "417", _STAR, _CENTER, "jane", "jane", "95.00", batch="old"),
    Case(_COMPLETED, 19 * _DAY, "417", _CHIP, _PASSENGER, "jane", "jane", "65.00", batch="old"),
    Case(_COMPLETED, 12 * _DAY, "D8", _STAR, _BOTTOM, "priya", "priya", "110.00"),
    Case(_COMPLETED, 9 * _DAY, "305", _CHIP, _DRIVER, "dave", "dave", "65.00"),
    Case(_COMPLETED, 6 * _DAY, "436", _COMBINATION, _PASSENGER, "maria", "keisha", "155.00"),
    Case(_COMPLETED, 3 * _DAY, "213", _STAR, _DRIVER, "jane", "jane", "95.00", cost="99.50",
         cost_reason="The pit needed a second fill."),

    Case(_DENIED, 31 * _DAY, "D2", _CRACK, _DRIVER, "priya", "priya", "340.00",
         reason="The truck is sold on Friday. The buyer takes it as it is."),
    Case(_DENIED, 14 * _DAY, "318", _CRACK, _CENTER, "tom", "tom", "295.00",
         "Eleven inches, runs into the edge.",
         "At this length we have the whole windshield replaced."),
    Case(_DENIED, 2 * _DAY, "204", _CHIP, _BOTTOM, "dave", "dave", "65.00",
         reason="Outside the driver's view. We look at it again at the next service."),

    Case(_IN_PROGRESS, 1.2, "422", _CRACK, _DRIVER, "jane", "jane", "225.00",
         "Six inches from the lower corner."),
    Case(_IN_PROGRESS, 2.5, "D5", _STAR, _CENTER, "helen", "priya", "95.00"),
    Case(_IN_PROGRESS, 4, "219", _CHIP, _DRIVER, "maria", "tom", "65.00"),
    Case(_COST_APPROVAL, 0.8, "430", _BULLSEYE, _TOP, "keisha", "keisha", "80.00", cost="118.00",
         cost_reason="A leg opened while it cured; it took a second injection."),

    Case(_APPROVED, 2, "312", _STAR, _PASSENGER, "tom", "tom", "95.00", batch="ready"),
    Case(_APPROVED, 2, "312", _CHIP, _CENTER, "tom", "tom", "65.00", batch="ready"),
    Case(_APPROVED, 6, "D4", _COMBINATION, _DRIVER, "priya", "priya", "145.00",
         "Moisture in the break: dry it first."),
    Case(_APPROVED, 20, "208", _CRACK, _BOTTOM, "luis", "dave", "190.00"),
    Case(_APPROVED, 26, "305", _STAR, _DRIVER, "sam", "jane", "95.00", before="keisha"),
    Case(_APPROVED, 44, "D7", _CHIP, _PASSENGER, "helen", "", "65.00"),

    Case(_AWAITING, 0.4, "417", _STAR, _DRIVER, "jane", "jane", "412.50",
         "Three legs in the driver's view; needs the bridge and two injections.", photo=True),
    Case(_AWAITING, 1.5, "226", _STAR, _DRIVER, "jane", "jane", "115.00", batch="hail",
         photo=True),
    Case(_AWAITING, 1.5, "226", _BULLSEYE, _CENTER, "jane", "jane", "95.00",
         "Hail, same storm as the one beside it.", batch="hail"),
    Case(_AWAITING, 1.5, "226", _CRACK, _TOP, "jane", "jane", "240.00", batch="hail"),
    Case(_AWAITING, 5, "436", _CHIP, _CENTER, "tom", "tom", "65.00"),
    Case(_AWAITING, 6, "208", _BULLSEYE, _DRIVER, "rosa", "rosa", "80.00"),
    Case(_AWAITING, 7, "219", _STAR, _PASSENGER, "rosa", "rosa", "95.00",
         "Two short legs, dry."),
    Case(_AWAITING, 9, "D3", _CRACK, _BOTTOM, "priya", "priya", "205.00",
         "Two inches and growing with the cold."),
    Case(_AWAITING, 23, "213", _COMBINATION, _PASSENGER, "maria", "dave", "150.00"),
    Case(_AWAITING, 29, "D8", _STAR, _DRIVER, "helen", "", "95.00"),

    Case(_REQUESTED, 0.7, "318", _CHIP, _DRIVER, "maria",
         description="Driver says it is the size of a dime."),
    Case(_REQUESTED, 3, "D1", _STAR, _PASSENGER, "helen", "priya"),
    Case(_REQUESTED, 8, "422", _BULLSEYE, _CENTER, "luis", "keisha"),
    Case(_REQUESTED, 27, "D6", _CRACK, _DRIVER, "helen"),
]
# fmt: on

#: Hours between each event and the one before it.
GAPS = {
    EventAction.ASSIGNED: 0.6,
    EventAction.REASSIGNED: 1.1,
    EventAction.SUBMITTED: 1.4,
    EventAction.APPROVED: 2.8,
    EventAction.DENIED: 4.5,
    EventAction.STARTED: 21,
    EventAction.COMPLETED: 1.2,
    EventAction.COST_SUBMITTED: 1.2,
}

#: An event of the history: the action, the actor's username, the note.
Step = tuple[EventAction, str, str]
NAMES = {person.username: person.name for person in SIGN_INS}
MANAGERS = {REDWOOD: "maria", LAKESHORE: "helen"}
OFFICE = "sam"


@transaction.atomic
def seed() -> bool:
    """Write the demo's rows; return False and change nothing if they exist.

    The rows are written directly, without the services, so that no messages are sent.
    """
    if Company.objects.filter(name__in=UNITS).exists():
        return False
    companies = {name: Company.objects.create(name=name) for name in UNITS}
    people = _people(companies)
    units = _units(companies)
    now = timezone.now()
    histories = [(case, list(_history(case, units[case.unit], now))) for case in CASES]
    # Repair numbers come from the key, so create the oldest repair first.
    histories.sort(key=lambda pair: pair[1][0][0])
    _write(histories, units, people)
    return True


def _people(companies: dict[str, Company]) -> dict[str, Profile]:
    password = make_password(PASSWORD)
    people = {}
    for n, person in enumerate(SIGN_INS, start=101):
        first, last = person.name.split()
        domain = person.company.replace(" ", "").lower() or "rssystems"
        address = person.email or f"{person.username}@{domain}.example"
        phone = f"+12025550{n}"
        is_office = person.role == Role.OFFICE
        user = get_user_model().objects.create(
            username=person.username,
            first_name=first,
            last_name=last,
            email=address,
            password=password,
            is_staff=is_office,
        )
        if is_office:
            user.groups.add(Group.objects.get(name=group.NAME))
        Contact.objects.create(
            user=user,
            email=address,
            verified_email=address,
            phone=phone,
            verified_phone=phone,
            sms_opt_in=person.sms_opt_in,
            sms_agreed_at=timezone.now() if person.sms_opt_in else None,
            sms_agreed_to=consent_wording() if person.sms_opt_in else "",
            time_zone=person.time_zone,
        )
        people[person.username] = Profile.objects.create(
            user=user, role=person.role, company=companies.get(person.company)
        )
    return people


def _units(companies: dict[str, Company]) -> dict[str, FleetUnit]:
    return {
        number: FleetUnit.objects.create(
            company=companies[company], number=number, description=description, plate=plate
        )
        for company, units in UNITS.items()
        for number, (description, plate) in units.items()
    }


def _history(case: Case, unit: FleetUnit, now: datetime) -> Iterator[tuple[datetime, Step]]:
    steps = list(_steps(case, MANAGERS[unit.company.name]))
    gaps = [_gap(case, action) for action, _, _ in steps[1:]]
    at = _time_of_last_step(case, now) - sum(gaps, timedelta())
    for step, gap in zip(steps, [timedelta(), *gaps], strict=True):
        at += gap
        yield at, step


def _steps(case: Case, manager: str) -> Iterator[Step]:
    yield EventAction.REQUESTED, case.by, ""
    if case.technician != case.by:
        yield from _assignments(case)
    if case.estimate:
        yield EventAction.SUBMITTED, case.technician or OFFICE, format_money(Decimal(case.estimate))
    if case.status == Status.DENIED:
        yield EventAction.DENIED, manager, case.reason
    done = (Status.COST_APPROVAL, Status.COMPLETED)
    if case.status in (Status.APPROVED, Status.IN_PROGRESS, *done):
        yield EventAction.APPROVED, manager, ""
    if case.status in (Status.IN_PROGRESS, *done):
        yield EventAction.STARTED, case.technician, ""
    if case.status == Status.COST_APPROVAL:
        yield EventAction.COST_SUBMITTED, case.technician, _cost_note(case)
    if case.status == Status.COMPLETED:
        yield EventAction.COMPLETED, case.technician, _cost_note(case)


def _cost_note(case: Case) -> str:
    estimate = format_money(Decimal(case.estimate))
    if not case.cost:
        return estimate
    return f"{format_money(Decimal(case.cost))} instead of {estimate}: {case.cost_reason}"


def _assignments(case: Case) -> Iterator[Step]:
    if first := case.before or case.technician:
        yield EventAction.ASSIGNED, OFFICE, NAMES[first]
    if case.before:
        names = f"from {NAMES[case.before]} to {NAMES[case.technician]}"
        yield EventAction.REASSIGNED, OFFICE, names


def _gap(case: Case, action: EventAction) -> timedelta:
    if action == EventAction.SUBMITTED and case.technician == case.by:
        return timedelta()
    return timedelta(hours=GAPS[action])


def _time_of_last_step(case: Case, now: datetime) -> datetime:
    moment = now - timedelta(hours=case.hours)
    if case.hours < 2 * _DAY:
        return moment
    # An old repair ended in the afternoon, not at the hour when the demo is seeded.
    return timezone.localtime(moment).replace(hour=15, minute=int(case.hours) % 60)


def _write(
    histories: Sequence[tuple[Case, list[tuple[datetime, Step]]]],
    units: dict[str, FleetUnit],
    people: dict[str, Profile],
) -> None:
    batches: dict[str, RepairBatch] = {}
    for case, history in histories:
        if case.batch and case.batch not in batches:
            batches[case.batch] = RepairBatch.objects.create(
                unit=units[case.unit], created_at=history[0][0]
            )
        estimate = Decimal(case.estimate) if case.estimate else None
        repair = Repair.objects.create(
            unit=units[case.unit],
            batch=batches.get(case.batch),
            damage=case.damage,
            position=case.position,
            description=case.description,
            status=case.status,
            technician=people.get(case.technician),
            requested_by=people[case.by],
            estimate=estimate,
            final_cost=Decimal(case.cost or case.estimate)
            if case.status in (Status.COST_APPROVAL, Status.COMPLETED)
            else None,
            cost_reason=case.cost_reason,
            denial_reason=case.reason,
            created_at=history[0][0],
            updated_at=history[-1][0],
        )
        RepairEvent.objects.bulk_create(
            RepairEvent(repair=repair, at=at, actor=people[actor], action=action, note=note)
            for at, (action, actor, note) in history
        )
        if case.photo:
            _add_photo(repair)


def _add_photo(repair: Repair) -> None:
    with SAMPLE_PHOTO.open("rb") as file:
        photo = photos.read(file)
    photo.repair, photo.moment = repair, Moment.DAMAGE
    photo.uploaded_by, photo.created_at = repair.requested_by, repair.created_at
    photo.save()
