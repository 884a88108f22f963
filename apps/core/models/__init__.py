from .channel_stop import ChannelStop
from .contact import Contact
from .cost_tally import CostTally
from .delivery import Delivery
from .delivery_log import NotificationDeliveryLog
from .mark import Mark
from .notification import Notification
from .preferences import Choice, Digest, Preferences, Rule
from .provider_event import ProviderEvent
from .set_aside import SetAside
from .spend import SMSSpend
from .suppression import Suppression
from .verification import Verification

__all__ = [
    "ChannelStop",
    "Choice",
    "Contact",
    "CostTally",
    "Delivery",
    "Digest",
    "Mark",
    "Notification",
    "NotificationDeliveryLog",
    "Preferences",
    "ProviderEvent",
    "Rule",
    "SMSSpend",
    "SetAside",
    "Suppression",
    "Verification",
]
