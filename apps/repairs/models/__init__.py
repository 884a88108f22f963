from .batch import RepairBatch
from .company import Company
from .event import EventAction, RepairEvent
from .profile import Profile, Role
from .repair import Damage, Position, Repair, Status
from .unit import FleetUnit

__all__ = [
    "Company",
    "Damage",
    "EventAction",
    "FleetUnit",
    "Position",
    "Profile",
    "Repair",
    "RepairBatch",
    "RepairEvent",
    "Role",
    "Status",
]
