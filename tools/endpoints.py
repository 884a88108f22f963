"""Points boto3 to the sandbox, for the AWS services that it stands in for."""

SERVICES = (
    "SNS",
    "SESV2",
    "CLOUDWATCH",
    "CLOUDWATCH_LOGS",
    "CLOUDFORMATION",
    "STS",
    "IAM",
)


def endpoints(url: str) -> dict[str, str]:
    """Return the variables that point boto3's clients to this URL."""
    return {f"AWS_ENDPOINT_URL_{service}": url for service in SERVICES}
