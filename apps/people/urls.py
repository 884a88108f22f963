from django.urls import path

from .views import centre, message

app_name = "notifications"
urlpatterns = [
    path("", centre.show, name="inbox"),
    path("bell/", centre.bell, name="bell"),
    path("read-all/", centre.read_all, name="read-all"),
    path("unread/", centre.unread, name="unread"),
    path("<uuid:pk>/", message.show, name="message"),
    path("<uuid:pk>/open/", centre.open_notification, name="open"),
    path("<uuid:pk>/read/", centre.read, name="read"),
    path("<uuid:pk>/act/", centre.act, name="act"),
]
