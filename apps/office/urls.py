from django.urls import path

from .views import (
    announcements,
    brand,
    cockpit,
    gallery,
    people,
    sent,
    wording_editor,
    wordings,
)

app_name = "office"
urlpatterns = [
    path("", cockpit.show, name="cockpit"),
    path("channels/<str:channel>/pause/", cockpit.pause, name="pause-channel"),
    path("channels/<str:channel>/resume/", cockpit.resume, name="resume-channel"),
    path("channels/<str:channel>/try/", cockpit.try_now, name="try-channel"),
    path("people/", people.everyone, name="people"),
    path("people/new/", people.new, name="new-person"),
    path("people/unreached/", people.unreached, name="unreached"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/export/", people.export, name="export"),
    path("people/<int:pk>/erase/", people.erase, name="erase"),
    path("brand/", brand.show, name="brand"),
    path("brand/preview/", brand.preview, name="preview-brand"),
    path("brand/again/<int:pk>/", brand.use_again, name="use-brand-again"),
    path("brand/<str:group>/", brand.show, name="company-brand"),
    path("announcements/", announcements.everything, name="announcements"),
    path("announcements/new/", announcements.new, name="new-announcement"),
    path("announcements/<int:pk>/", announcements.show, name="announcement"),
    path("announcements/<int:pk>/change/", announcements.change, name="change-announcement"),
    path("announcements/<int:pk>/send/", announcements.send, name="send-announcement"),
    path("announcements/<int:pk>/stop/", announcements.stop, name="stop-announcement"),
    path("messages/", wordings.everything, name="wordings"),
    path("messages/gallery/", gallery.show, name="gallery"),
    path("messages/gallery/<slug:kind>/<slug:language>/", gallery.send, name="sample"),
    path("messages/sent/<uuid:pk>/", sent.show, name="sent"),
    path("messages/sent/<uuid:pk>/frame/", sent.frame, name="sent-frame"),
    path("messages/<slug:kind>/<slug:language>/", wording_editor.edit, name="wording"),
    path("messages/<slug:kind>/<slug:language>/preview/", wordings.preview, name="wording-preview"),
    path(
        "messages/<slug:kind>/<slug:language>/again/<int:number>/",
        wording_editor.again,
        name="wording-again",
    ),
    path("messages/<slug:kind>/<slug:language>/<slug:shape>/", wordings.frame, name="frame"),
]
