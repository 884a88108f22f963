"""Make botocore sessions."""

from typing import Any

from botocore.loaders import create_loader
from botocore.session import Session

#: The descriptions of AWS's services, shared because they are slow to read.
_descriptions = create_loader()


def new() -> Any:
    """Return a new session, because boto3's default one keeps the first credentials for ever.

    It is botocore's: each session of boto3 would lengthen the search path of the shared loader.
    """
    session = Session()
    session.register_component("data_loader", _descriptions)
    return session
