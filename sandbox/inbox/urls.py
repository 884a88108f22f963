from django.urls import path

from . import switches, views

app_name = "sandbox"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("live/", views.live, name="live"),
    path("clear/", views.clear, name="clear"),
    path("next/", switches.next_message, name="next"),
    path("provider/", switches.provider, name="provider"),
    path("rules/<int:rule_id>/end/", switches.end, name="end"),
    path("emails/<slug:message_id>/reported/", views.reported, name="reported"),
    path("emails/<slug:message_id>/frame/", views.frame, name="frame"),
]
