from django.urls import path

from .views import announcements, brand, people

app_name = "office"
urlpatterns = [
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
]
