import uuid

from django.db import models


class Voucher(models.Model):
    used = models.IntegerField(default=0)
    note = models.CharField(max_length=40, default="")


class Review(models.Model):
    """Nothing keeps a voucher from being reviewed twice."""

    voucher = models.ForeignKey(Voucher, on_delete=models.CASCADE)
    text = models.CharField(max_length=40)
    made_at = models.DateTimeField(auto_now_add=True)


class Receipt(models.Model):
    """At most one a voucher, under a random key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    voucher = models.OneToOneField(Voucher, on_delete=models.CASCADE)
    review = models.ForeignKey(Review, null=True, on_delete=models.CASCADE)
