from .contact import Contact
from .delivery import Delivery
from .delivery_log import NotificationDeliveryLog
from .notification import Notification
from .spend import SMSSpend

__all__ = ["Contact", "Delivery", "Notification", "NotificationDeliveryLog", "SMSSpend"]
