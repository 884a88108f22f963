"""Logos, as e-mails and pages show them."""

from django.db import models


class BrandLogo(models.Model):
    """One picture. Its key is its hash, so the same picture is stored once and never changes."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    content_type = models.CharField(max_length=32)
    #: In pixels of the picture. It is shown at half that size, sharp on any screen.
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.sha256[:12]}, {self.width} x {self.height}"
