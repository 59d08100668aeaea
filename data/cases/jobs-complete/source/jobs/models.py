"""Jobs, what happened to them, and the one completion that each may have."""

from django.db import models

from accounts.models import User


class Job(models.Model):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"

    title = models.CharField(max_length=120)
    queue = models.CharField(max_length=40)
    status = models.CharField(max_length=20, default=OPEN)
    assignee = models.ForeignKey(User, on_delete=models.CASCADE, related_name="jobs")
    progress = models.PositiveSmallIntegerField(default=0)
    result = models.JSONField(null=True)
    seal = models.CharField(max_length=64, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["assignee", "status"], name="jobs_job_assignee_status")]

    def as_json(self):
        return {
            "id": self.pk,
            "title": self.title,
            "queue": self.queue,
            "status": self.status,
            "progress": self.progress,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
        }


class JobCompletion(models.Model):
    """The record that billing reads: a job can be completed once."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="completions")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    status = models.CharField(max_length=20)
    seal = models.CharField(max_length=64)
    place = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "status"], name="jobs_job_completion_unique"
            )
        ]


class JobEvent(models.Model):
    """What a job's time went into, in seconds."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    queue = models.CharField(max_length=40)
    kind = models.CharField(max_length=20)
    seconds = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
