from django.apps import apps
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

from apps.core.feedback import webhook
from apps.people import unsubscribe_page
from apps.site import installable, metrics, passwords
from apps.site.brand import brand_css, brand_logo
from apps.site.sign_in import SignInView

urlpatterns = [
    path("", include("apps.repairs.urls")),
    path("notifications/", include("apps.people.urls")),
    path("office/", include("apps.office.urls")),
    path("account/", include("apps.people.urls_account")),
    path("account/contact/", include("apps.people.contact_urls")),
    path("unsubscribe/<str:token>/", unsubscribe_page.show, name="unsubscribe"),
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", passwords.forgotten, name="forgotten-password"),
    path("password/<uidb64>/<token>/", passwords.NewPasswordView.as_view(), name="new-password"),
    path("admin/", admin.site.urls),
    path("webhooks/aws/sns", webhook.sns, name="aws-sns"),
    path("metrics", metrics.show, name="metrics"),
    path("brand.css", brand_css, name="brand-css"),
    path("brand/logo/<str:sha256>.png", brand_logo, name="brand-logo"),
    path("manifest.webmanifest", installable.manifest, name="manifest"),
    path("worker.js", installable.worker, name="worker"),
    path("offline/", installable.offline, name="offline"),
]
# In development alone: elsewhere it gives no patterns, and whitenoise serves.
urlpatterns += staticfiles_urlpatterns()
if apps.is_installed("sandbox.inbox"):
    urlpatterns.append(path("sandbox/", include("sandbox.inbox.urls")))
