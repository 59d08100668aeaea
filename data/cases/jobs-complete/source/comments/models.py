"""What people say about a job."""

from django.db import models

from accounts.models import User
from jobs.models import Job


class Comment(models.Model):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, on_delete=models.CASCADE)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["job", "created_at"], name="comments_by_job_and_time")]
