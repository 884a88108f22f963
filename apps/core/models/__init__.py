from .channel_stop import ChannelStop
from .contact import Contact
from .delivery import Delivery
from .delivery_log import NotificationDeliveryLog
from .notification import Notification
from .provider_event import ProviderEvent
from .read_mark import ReadMark
from .spend import SMSSpend
from .suppression import Suppression

__all__ = [
    "ChannelStop",
    "Contact",
    "Delivery",
    "Notification",
    "NotificationDeliveryLog",
    "ProviderEvent",
    "ReadMark",
    "SMSSpend",
    "Suppression",
]
