from django.urls import path

from . import fault_views, views

app_name = "sandbox"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("live/", views.live, name="live"),
    path("clear/", views.clear, name="clear"),
    path("reply/", views.reply, name="reply"),
    path("next/", fault_views.add_for_next_message, name="next"),
    path("provider/", fault_views.set_provider, name="provider"),
    path("rules/<int:rule_id>/end/", fault_views.end, name="end"),
    path("emails/<slug:message_id>/events/", views.events, name="events"),
    path("emails/<slug:message_id>/frame/", views.frame, name="frame"),
]
