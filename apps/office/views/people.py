"""The office's pages about people: whom messages reach, and what they decided."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.core.addresses import shown
from apps.core.models import Contact
from apps.core.models.contact import is_unassigned
from apps.core.services import verification
from apps.core.states import Channel
from apps.site import directory, history, personal_data
from apps.site.office import may, office_only
from apps.site.sign_in import SignedInRequest

from .. import duty, person_page, reach
from ..forms import AddressForm, ContactForm, SearchForm, UserForm

PER_PAGE = 30
#: Changes on a person's page.
MOST_CHANGES = 20


@office_only("core.view_notification")
@require_safe
def everyone(request: SignedInRequest) -> HttpResponse:
    """List the people by name."""
    form = SearchForm(request.GET)
    users = form.narrow(User.objects.order_by("first_name", "last_name", "pk"))
    page = Paginator(users.select_related("contact"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "people": _rows(list(page)),
        "unreached": reach.unreached().count(),
    }
    return render(request, "office/people.html", context)


@office_only("core.view_notification")
@require_safe
def unreached(request: SignedInRequest) -> HttpResponse:
    """List whom no message reaches outside the app, with the reason and the remedy."""
    page = Paginator(reach.unreached(), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "people": reach.explain(page), "gaps": duty.gaps()}
    return render(request, "office/unreached.html", context)


@office_only("auth.add_user")
@require_http_methods(["GET", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Add a colleague: the sign-in, the role and the contact details in one form."""
    given = request.POST or None
    forms = UserForm(given), directory.get().role_form(given), ContactForm(given)
    # A list: every form shows its errors at once.
    if given and all([form.is_valid() for form in forms]):  # noqa: C419
        user = _create(*forms)
        messages.success(
            request,
            f"{user.get_full_name()} gets an e-mail to confirm the address, and chooses a password "
            'by "Forgotten your password?". Messages go out when the address is confirmed.',
        )
        warn_of_number(request, user.contact)
        return redirect("office:person", pk=user.pk)
    return render(request, "office/new_person.html", {"forms": forms})


@office_only("core.view_notification")
@require_safe
def person(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show how a person is reached, what reached them, and what was changed."""
    return show_person(request, find_person(pk))


def find_person(pk: int) -> User:
    return get_object_or_404(User.objects.select_related("contact"), pk=pk)


def show_person(
    request: SignedInRequest, user: User, wrong: AddressForm | None = None
) -> HttpResponse:
    """Return the person's page; `wrong` is a form of it with errors."""
    context = {
        "person": user,
        "place": directory.get().places([user]).get(user.pk, ""),
        "addresses": person_page.addresses(user, wrong),
        "inbox": person_page.inbox(user, request.GET.get("show"), request.GET.get("page")),
        "changes": history.of(user, MOST_CHANGES),
        "may_erase": may(request.user, "auth.delete_user") and user != request.user,
    }
    return render(request, "office/person.html", context)


@office_only("auth.view_user")
@require_safe
def export(request: SignedInRequest, pk: int) -> HttpResponse:
    """Return everything that is stored about a person, as a JSON file."""
    return personal_data.download(get_object_or_404(User, pk=pk))


@office_only("auth.delete_user")
@require_http_methods(["GET", "POST"])
def erase(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask for the user name, then erase the person. It cannot be undone."""
    user = get_object_or_404(User, pk=pk)
    problem = ""
    if request.method == "POST":
        if request.POST.get("username", "").strip() != user.get_username():
            problem = "Type the user name exactly as it is shown."
        elif user == request.user:
            problem = "Somebody else has to erase you."
        else:
            try:
                personal_data.erase(user)
            except ValueError as error:
                problem = str(error)
            else:
                messages.success(request, "The person is erased; the counts stay.")
                return redirect("office:people")
    return render(request, "office/erase.html", {"person": user, "problem": problem})


def warn_of_number(request: SignedInRequest, contact: Contact) -> None:
    if is_unassigned(contact.phone):
        number = shown(contact.phone)
        messages.warning(
            request,
            f"No known phone network has the number {number}. It may be new; check its digits.",
        )


@transaction.atomic
def _create(user_form: Any, role_form: Any, contact_form: Any) -> User:
    user = user_form.save(commit=False)
    user.set_unusable_password()
    user.email = contact_form.instance.email
    user.save()
    for form in (role_form, contact_form):
        form.instance.user = user
        form.save()
    verification.send(contact_form.instance, Channel.EMAIL)
    return user


def _rows(users: list[User]) -> list[dict[str, Any]]:
    places = directory.get().places(users)
    obstacles = {each.user.pk: each.obstacles for each in reach.explain(users)}
    return [
        {"user": user, "place": places.get(user.pk, ""), "obstacles": obstacles[user.pk]}
        for user in users
    ]
