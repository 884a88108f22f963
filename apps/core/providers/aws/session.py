"""Where each of our clients of AWS begins."""

from typing import Any

from botocore.loaders import create_loader
from botocore.session import Session

#: The descriptions of AWS's services: the same for everybody, and slow to read.
_descriptions = create_loader()


def new() -> Any:
    """A session of its own: boto3's default one keeps the first credentials it ever saw.

    One of botocore's, since each of boto3's would lengthen the search path of what they share.
    """
    session = Session()
    session.register_component("data_loader", _descriptions)
    return session
