"""How the messages of a kind are worded in a language, version by version."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

#: Hex digits of a wording's digest.
DIGEST_LENGTH = 16


class WordingState(models.TextChoices):
    #: A file as it was deployed. It is kept so that old messages can be shown.
    FILE = "file", "file"
    #: What a member of the office sent to themselves, marked as a sample.
    SAMPLE = "sample", "sample"
    DRAFT = "draft", "draft"
    PUBLISHED = "published", "published"
    REPLACED = "replaced", "replaced"
    WITHDRAWN = "withdrawn", "withdrawn"


class WordingVersion(models.Model):
    """One version of the words of a kind in a language. What was published never changes."""

    kind = models.CharField(max_length=64)
    language = models.CharField(max_length=16)
    #: From 1 on for each kind and language; 0 for a file as it was deployed.
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=WordingState.choices, default=WordingState.DRAFT
    )
    #: The source of the parts that the office changed.
    overrides = models.JSONField(default=dict)
    #: The source of all parts as they take effect, and their digest. Empty for a draft.
    parts = models.JSONField(default=dict)
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, default="")
    based_on = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    why = models.CharField(max_length=500, blank=True, default="")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField(null=True)
    #: Who set a draft aside, or wrote another one over it, and when.
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "language", "number"],
                condition=models.Q(number__gt=0),
                name="wording_number",
            ),
            models.UniqueConstraint(
                fields=["kind", "language"],
                condition=models.Q(state=WordingState.PUBLISHED),
                name="one_published_wording",
            ),
            models.UniqueConstraint(
                fields=["kind", "language"],
                condition=models.Q(state=WordingState.DRAFT),
                name="one_draft_wording",
            ),
            models.UniqueConstraint(
                fields=["digest"],
                condition=models.Q(state=WordingState.FILE),
                name="one_snapshot_per_wording",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=WordingState.values), name="wording_state_known"
            ),
        ]
        indexes = [models.Index(fields=["digest"], name="wording_digest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.language} {self.number}"
