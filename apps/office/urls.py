from django.urls import path

from .views import announcements, costs, people

app_name = "office"
urlpatterns = [
    path("costs/", costs.show, name="costs"),
    path("people/", people.everyone, name="people"),
    path("people/new/", people.new, name="new-person"),
    path("people/unreached/", people.unreached, name="unreached"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/export/", people.export, name="export"),
    path("people/<int:pk>/erase/", people.erase, name="erase"),
    path("announcements/", announcements.everything, name="announcements"),
    path("announcements/new/", announcements.new, name="new-announcement"),
    path("announcements/<int:pk>/", announcements.show, name="announcement"),
    path("announcements/<int:pk>/change/", announcements.change, name="change-announcement"),
    path("announcements/<int:pk>/send/", announcements.send, name="send-announcement"),
    path("announcements/<int:pk>/stop/", announcements.stop, name="stop-announcement"),
]
