"""Boxes with coins in them, and who put them there."""

from django.db import models


class Box(models.Model):
    coins = models.IntegerField(default=0)


class Slip(models.Model):
    box = models.ForeignKey(Box, on_delete=models.CASCADE)
    writer = models.CharField(max_length=40)
