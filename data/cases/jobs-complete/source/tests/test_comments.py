"""Comments, through the API."""

from django.test import TestCase

from accounts.models import ApiToken, User
from comments.models import Comment
from jobs.models import Job


class CommentTest(TestCase):
    def setUp(self):
        user = User.objects.create(name="ada_l", full_name="Ada L.", team="labels")
        ApiToken.objects.create(user=user, key="k")
        self.job = Job.objects.create(title="scan", queue="scans", assignee=user)

    def say(self, text):
        return self.client.post(
            "/api/comments",
            {"job_id": self.job.pk, "text": text},
            content_type="application/json",
            headers={"Authorization": "Token k"},
        )

    def test_a_comment_is_kept(self):
        self.assertEqual(self.say("please check page 2").status_code, 201)
        self.assertEqual(Comment.objects.get().text, "please check page 2")

    def test_an_empty_comment_is_refused(self):
        self.assertEqual(self.say("  ").status_code, 400)
