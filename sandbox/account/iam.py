"""STS and IAM: who the caller is, and how old the access keys are."""

from datetime import UTC, datetime

from sandbox.account.settings import AwsAccount
from sandbox.arns import ACCOUNT_ID, REGION, USER
from sandbox.net.query_protocol import Denied, Parameters, Queries
from sandbox.timestamps import iso

ACCESS_KEY_ID = "SANDBOXACCESSKEY0001"
#: The user whose access key the SMTP password is made of.
SMTP_OWNER = "ses-smtp"


class Identity:
    """Answers boto3's `sts` and `iam` clients."""

    def __init__(self, account: AwsAccount, smtp_user: str) -> None:
        """`smtp_user`: the user name of the SMTP endpoint, which is an access key's ID."""
        self._account = account
        self._smtp_user = smtp_user
        self.sts = Queries("sts", account.denies, {"GetCallerIdentity": self._caller})
        self.iam = Queries(
            "iam",
            account.denies,
            {"GetAccessKeyLastUsed": self._last_used, "ListAccessKeys": self._keys},
        )

    def _caller(self, parameters: Parameters) -> str:
        return f"<Arn>{USER}</Arn><UserId>SANDBOX</UserId><Account>{ACCOUNT_ID}</Account>"

    def _last_used(self, parameters: Parameters) -> str:
        # AWS answers AccessDenied for a key that does not exist.
        if parameters.get("AccessKeyId") != self._smtp_user:
            raise Denied("iam", "GetAccessKeyLastUsed")
        last = (
            f"<LastUsedDate>{iso(datetime.now(UTC))}</LastUsedDate>"
            f"<ServiceName>ses</ServiceName><Region>{REGION}</Region>"
        )
        return f"<UserName>{SMTP_OWNER}</UserName><AccessKeyLastUsed>{last}</AccessKeyLastUsed>"

    def _keys(self, parameters: Parameters) -> str:
        owner = parameters.get("UserName", "sandbox")
        of_smtp = owner == SMTP_OWNER
        key_id = self._smtp_user if of_smtp else ACCESS_KEY_ID
        created = iso(self._account.key_created_at(of_smtp=of_smtp))
        key = (
            f"<UserName>{owner}</UserName><Status>Active</Status>"
            f"<AccessKeyId>{key_id}</AccessKeyId><CreateDate>{created}</CreateDate>"
        )
        members = f"<AccessKeyMetadata><member>{key}</member></AccessKeyMetadata>"
        return f"{members}<IsTruncated>false</IsTruncated>"
