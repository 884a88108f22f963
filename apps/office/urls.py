from django.urls import path

from .views import announcements, brand, cockpit, mending, people

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
    path("people/<int:pk>/again/<uuid:delivery>/", mending.send_again, name="send-again"),
    path("people/<int:pk>/arrived/<uuid:delivery>/", mending.mark_arrived, name="mark-arrived"),
    path("people/<int:pk>/lift/<int:suppression>/", mending.lift, name="lift"),
    path("people/<int:pk>/confirm/<str:channel>/", mending.confirm, name="confirm"),
    path("people/<int:pk>/ask/<str:channel>/", mending.ask_to_confirm, name="ask-to-confirm"),
    path("people/<int:pk>/address/<str:channel>/", mending.change_address, name="change-address"),
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
]
