"""People, and the tokens that their clients send."""

from django.db import models


class User(models.Model):
    name = models.CharField(max_length=40, unique=True)
    full_name = models.CharField(max_length=80)
    team = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.name


class ApiToken(models.Model):
    key = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    created_at = models.DateTimeField(auto_now_add=True)
