"""The one account and the one Region that the sandbox pretends to be."""

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
