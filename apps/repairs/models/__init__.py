from .batch import RepairBatch
from .company import Company
from .event import EventAction, RepairEvent
from .photo import Moment, RepairPhoto
from .profile import Profile, Role
from .repair import Damage, Position, Repair, Status
from .unit import FleetUnit

__all__ = [
    "Company",
    "Damage",
    "EventAction",
    "FleetUnit",
    "Moment",
    "Position",
    "Profile",
    "Repair",
    "RepairBatch",
    "RepairEvent",
    "RepairPhoto",
    "Role",
    "Status",
]
