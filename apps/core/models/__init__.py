from .contact import Contact
from .delivery import Delivery
from .delivery_log import NotificationDeliveryLog
from .notification import Notification

__all__ = ["Contact", "Delivery", "Notification", "NotificationDeliveryLog"]
