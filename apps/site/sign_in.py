from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import LoginView, redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.http import HttpResponseClientRedirect


class SignInView(LoginView):
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # When a session has expired, htmx follows the redirect and would swap this page into a
        # fragment's place.
        if "HX-Request" in request.headers:
            return HttpResponseClientRedirect(redirect_to_login(_current_path(request)).url)
        return super().dispatch(request, *args, **kwargs)


def _current_path(request: HttpRequest) -> str:
    """Return the path of the page that sent the htmx request."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
    except ValueError:
        return "/"
