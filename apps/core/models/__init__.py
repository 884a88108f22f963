from .alarm import Alarm
from .brand import BrandVersion
from .brand_logo import BrandLogo
from .channel_stop import ChannelStop
from .contact import Contact
from .cost_tally import CostTally
from .day_figures import DayFigures
from .delivery import Delivery
from .delivery_log import NotificationDeliveryLog
from .mark import Mark
from .minute_figures import MinuteFigures
from .notification import Notification
from .preferences import Choice, Digest, Preferences, Rule
from .provider_event import ProviderEvent
from .reading import Reading
from .set_aside import SetAside
from .spend import SMSSpend
from .suppression import Suppression
from .verification import Verification
from .wording import WordingVersion

__all__ = [
    "Alarm",
    "BrandLogo",
    "BrandVersion",
    "ChannelStop",
    "Choice",
    "Contact",
    "CostTally",
    "DayFigures",
    "Delivery",
    "Digest",
    "Mark",
    "MinuteFigures",
    "Notification",
    "NotificationDeliveryLog",
    "Preferences",
    "ProviderEvent",
    "Reading",
    "Rule",
    "SMSSpend",
    "SetAside",
    "Suppression",
    "Verification",
    "WordingVersion",
]
