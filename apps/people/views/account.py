"""The account page: what reaches the signed-in user, where and when."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.site.sign_in import sign_in_required


@sign_in_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    return render(request, "people/account.html", {})
