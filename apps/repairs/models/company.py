from django.db import models


class Company(models.Model):
    """A customer: the owner of a fleet."""

    name = models.CharField(max_length=120, unique=True)

    class Meta:
        verbose_name_plural = "companies"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
