"""Where boto3 finds the services of AWS that the sandbox stands in for."""

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
    """The variables that point boto3's clients to it."""
    return {f"AWS_ENDPOINT_URL_{service}": url for service in SERVICES}
