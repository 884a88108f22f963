from django.urls import path

from .views import account

app_name = "account"
urlpatterns = [
    path("", account.show, name="show"),
    path("preview/", account.preview, name="preview"),
    path("pause/", account.pause, name="pause"),
    path("zone/", account.zone, name="zone"),
    path("language/", account.language, name="language"),
    path("send-now/", account.send_now, name="send-now"),
    path("data/", account.data, name="data"),
    path("of/<int:pk>/", account.show, name="of"),
    path("of/<int:pk>/preview/", account.preview, name="preview-of"),
]
