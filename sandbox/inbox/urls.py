from django.urls import path

from . import views

app_name = "sandbox"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("live/", views.live, name="live"),
    path("clear/", views.clear, name="clear"),
    path("emails/<slug:message_id>/frame/", views.frame, name="frame"),
]
