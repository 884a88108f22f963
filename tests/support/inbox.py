"""The dev inbox, as a client of Django's asks for it."""

from django.test import Client

INBOX = "/sandbox/"


def page(client: Client, **query: str) -> str:
    answer = client.get(INBOX, query)
    assert answer.status_code == 200
    return answer.content.decode()
