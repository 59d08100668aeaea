"""The life of a job, through the API."""

from django.test import TestCase

from accounts.models import ApiToken, User
from jobs.models import Job, JobCompletion

RESULT = {"result": {"pages": ["a1", "b2"]}, "timing": {"seconds": 60}}


class JobTest(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = User.objects.create(name="ada_l", full_name="Ada L.", team="labels")
        ApiToken.objects.create(user=cls.user, key="k")

    def setUp(self):
        self.job = Job.objects.create(title="scan", queue="scans", assignee=self.user)

    def send(self, method, path, **body):
        headers = {"Authorization": "Token k"}
        return getattr(self.client, method)(
            path, body, content_type="application/json", headers=headers
        )

    def test_needs_a_token(self):
        self.assertEqual(self.client.get("/api/jobs").status_code, 401)

    def test_starts_once(self):
        first = self.send("post", "/api/jobs/start", job_id=self.job.pk)
        second = self.send("post", "/api/jobs/start", job_id=self.job.pk)
        self.assertEqual([first.status_code, second.status_code], [200, 400])

    def test_completes_once(self):
        self.send("post", "/api/jobs/start", job_id=self.job.pk)
        first = self.send("post", "/api/jobs/complete", job_id=self.job.pk, **RESULT)
        second = self.send("post", "/api/jobs/complete", job_id=self.job.pk, **RESULT)
        self.assertEqual([first.status_code, second.status_code], [200, 400])
        self.assertEqual(JobCompletion.objects.filter(job=self.job).count(), 1)

    def test_an_open_job_cannot_be_completed(self):
        answer = self.send("post", "/api/jobs/complete", job_id=self.job.pk, **RESULT)
        self.assertEqual(answer.status_code, 400)
