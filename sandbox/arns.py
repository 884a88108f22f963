"""The one AWS account and Region that the sandbox plays, and the names made of them."""

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:rs-systems-ses-events"
USER = f"arn:aws:iam::{ACCOUNT_ID}:user/sandbox"
