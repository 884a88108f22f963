from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request with the `htmx` attribute of django-htmx, for the type checker."""

    htmx: HtmxDetails
