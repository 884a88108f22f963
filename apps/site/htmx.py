from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request as every view gets it, for the type checker: with what htmx says about itself."""

    htmx: HtmxDetails
