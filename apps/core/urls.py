from django.urls import path

from .views import notifications

app_name = "notifications"
urlpatterns = [
    path("", notifications.inbox, name="inbox"),
    path("bell/", notifications.bell, name="bell"),
    path("<uuid:pk>/open/", notifications.open_notification, name="open"),
    path("read-all/", notifications.read_all, name="read-all"),
]
