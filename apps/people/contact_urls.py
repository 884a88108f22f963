from django.urls import path, re_path

from . import contact_views as views

app_name = "contact"
urlpatterns = [
    path("", views.details, name="details"),
    path("email/", views.change_email, name="change-email"),
    path("phone/", views.change_phone, name="change-phone"),
    re_path(r"^send/(?P<channel>email|sms)/$", views.send, name="send"),
    path("code/", views.enter_code, name="enter-code"),
    path("texts/", views.texts, name="texts"),
    path("confirm/<str:token>/", views.confirm_email, name="confirm-email"),
]
