"""Signing in."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import LoginView, redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.http import HttpResponseClientRedirect


class SignInView(LoginView):
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # htmx follows the redirect of a session that has ended, and would put this whole page
        # where a fragment belongs.
        if "HX-Request" in request.headers:
            return HttpResponseClientRedirect(redirect_to_login(_page(request)).url)
        return super().dispatch(request, *args, **kwargs)


def _page(request: HttpRequest) -> str:
    """The path of the page that htmx asked from."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
    except ValueError:
        return "/"
