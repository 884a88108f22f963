from django.urls import path

from .views import actions, approvals, lists, pages, photos, requests, spending

app_name = "repairs"
urlpatterns = [
    path("", lists.home, name="home"),
    path("repairs/new/", requests.request_work, name="request"),
    path("repairs/approve/", approvals.approve_several, name="approve-several"),
    path("repairs/<int:pk>/", pages.detail, name="detail"),
    path("repairs/<int:pk>/approve/", actions.approve, name="approve"),
    path("repairs/<int:pk>/deny/", actions.deny, name="deny"),
    path("repairs/<int:pk>/estimate/", actions.estimate, name="estimate"),
    path("repairs/<int:pk>/assign/", actions.assign, name="assign"),
    path("repairs/<int:pk>/start/", actions.start, name="start"),
    path("repairs/<int:pk>/complete/", actions.complete, name="complete"),
    path("repairs/<int:pk>/approve-cost/", actions.approve_cost, name="approve-cost"),
    path("repairs/<int:pk>/deny-cost/", actions.deny_cost, name="deny-cost"),
    path("repairs/<int:pk>/photos/", photos.show, name="photos"),
    path("repairs/<int:pk>/photos/<str:sha256>/remove/", photos.remove, name="remove-photo"),
    path("repairs/<int:pk>/photos/<str:sha256>-small.jpg", photos.small, name="small-photo"),
    path("repairs/<int:pk>/photos/<str:sha256>.jpg", photos.large, name="photo"),
    path("photos/<str:token>.jpg", photos.public, name="public-photo"),
    path("photo-too-large/", photos.too_large, name="photo-too-large"),
    path("repairs/undo/<int:pk>/", actions.undo, name="undo"),
    path("spend/", spending.table, name="spend"),
    path("spend.csv", spending.as_csv, name="spend-csv"),
    path("batches/<int:pk>/", pages.batch, name="batch"),
    path("batches/<int:pk>/approve/", actions.approve_batch, name="approve-batch"),
    path("batches/<int:pk>/deny/", actions.deny_batch, name="deny-batch"),
]
