"""A new password for a person who has forgotten theirs."""

import logging
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext, gettext_lazy, gettext_noop
from django.views.decorators.http import require_http_methods

from apps.core.services import verification
from apps.core.states import Channel

from . import accounts, throttle

logger = logging.getLogger(__name__)

SENT = gettext_noop(
    "If there is such an account and its e-mail address is confirmed, a link is on its way to it. "
    "It is valid for one hour. If none comes, ask the office."
)


class ForgottenForm(forms.Form):
    username = forms.CharField(
        label=gettext_lazy("Username or e-mail address"),
        max_length=254,
        error_messages={"required": gettext_lazy("Enter your username or e-mail address.")},
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )


@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Send a link for a new password, and say the same whether there is such an account or not."""
    form = ForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        _send_link(accounts.find(form.cleaned_data["username"]), throttle.network_of(request))
        messages.info(request, gettext(SENT))
        return redirect("login")
    return render(request, "registration/forgotten.html", {"form": form})


def _send_link(user: Any, network: str) -> None:
    contact = getattr(user, "contact", None)
    if contact is None or not user.is_active or not contact.is_verified(Channel.EMAIL):
        return
    try:
        verification.send_new_password(contact, network=network)
    except verification.TooMany as error:
        # Not told: that would tell that the account exists.
        logger.warning("no further link to a new password user=%s: %s", user.pk, error)


class NewPasswordForm(SetPasswordForm):
    error_messages = {"password_mismatch": gettext_lazy("The two passwords differ.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password2"].label = gettext("New password again")
        for field in self.fields.values():
            field.error_messages["required"] = gettext("Enter the new password.")


class NewPasswordView(PasswordResetConfirmView):
    form_class = NewPasswordForm
    template_name = "registration/new_password.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, gettext("Your new password is saved. Sign in with it."))
        return super().form_valid(form)
