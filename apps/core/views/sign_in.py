"""Signing in."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect


class SignInView(LoginView):
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # htmx follows the redirect of a session that has ended, and would put this whole page
        # where a fragment belongs.
        if "HX-Request" in request.headers:
            return HttpResponseClientRedirect(resolve_url("login"))
        return super().dispatch(request, *args, **kwargs)
