from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, gettext_lazy, gettext_noop
from django_htmx.http import HttpResponseClientRedirect

View = Callable[..., HttpResponse]
SIGNED_OUT = gettext_noop(
    "You were signed out, so {}. Sign in to continue; what you typed is kept."
)
NOTHING = gettext_noop("nothing was changed")
#: What a request would have done, by the name of its view: "R-1125 was not approved".
_not_done: dict[str, Callable[..., str]] = {}


def say_not_done(view_name: str, clause: Callable[..., str]) -> None:
    """Have the message to a person whose session ended name what was not done.

    `clause` takes the arguments of the view's URL.
    """
    _not_done[view_name] = clause


class SignInForm(AuthenticationForm):
    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": gettext_lazy("This name or this password is wrong."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = gettext("Username or e-mail address")
        self.fields["username"].error_messages["required"] = gettext(
            "Enter your username or e-mail address."
        )
        self.fields["password"].error_messages["required"] = gettext("Enter your password.")


class SignedInRequest(HttpRequest):
    """A request that `sign_in_required` has let through, for the type checker."""

    user: User


class SignInView(LoginView):
    form_class = SignInForm
    redirect_authenticated_user = True


def sign_in_required(view: View) -> View:
    """Redirect an anonymous user to the sign-in page, and back to the page they came from.

    Nothing is done with what they sent: the session has expired, and a message says so.
    """

    @wraps(view)
    def with_user(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.method in ("GET", "HEAD") and "HX-Request" not in request.headers:
            return redirect_to_login(request.get_full_path())
        messages.info(request, gettext(SIGNED_OUT).format(_clause(request)))
        answer = redirect_to_login(_page(request))
        if "HX-Request" in request.headers:
            # htmx would follow a redirect and swap the sign-in page into a fragment's place.
            return HttpResponseClientRedirect(answer.url)
        return answer

    return with_user


def _clause(request: HttpRequest) -> str:
    match = request.resolver_match
    clause = _not_done.get(match.view_name) if match else None
    return clause(**match.kwargs) if match and clause else gettext(NOTHING)


def _page(request: HttpRequest) -> str:
    """Return the path of the page that sent the request, without its host."""
    url = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}):
        return "/"
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"
