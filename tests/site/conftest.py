from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def signed_in(client: Client, person: Callable[..., User]) -> Client:
    client.force_login(person())
    return client
