"""Time deposits."""

from django.db import models


class Deposit(models.Model):
    owner = models.CharField(max_length=80)
    days = models.PositiveIntegerField(default=30)
    extended_by = models.CharField(max_length=80, default="")
    extensions = models.PositiveIntegerField(default=0)
