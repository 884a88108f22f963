"""The sessions that our clients of AWS are made from."""

from typing import Any

from botocore.loaders import create_loader
from botocore.session import Session

#: The descriptions of AWS's services, shared by all sessions because they are slow to read.
_descriptions = create_loader()


def new() -> Any:
    """Return a new session: boto3's default one keeps the first credentials that it ever saw.

    It is botocore's, because each of boto3's lengthens the search path of the shared descriptions.
    """
    session = Session()
    session.register_component("data_loader", _descriptions)
    return session
