"""A demo database: people, finished jobs with their history, and jobs to do."""

import hashlib
import json
import random
from datetime import timedelta

from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import ApiToken, User
from comments.models import Comment
from jobs.models import Job, JobCompletion, JobEvent

FIRST_NAMES = (
    "alex amira anna ben carla chen dana david elena emma farid greta hana hugo ines ivan "
    "jana jonas kofi lara leo lucia maya mike nadia nils olga omar paula priya rosa sam sarah "
    "sven tara tom uma viktor wanda yuki zoe"
).split()
TEAMS = ("billing", "imports", "labels", "quality")
QUEUES = ("invoices", "labels", "reports", "scans", "surveys")
FIRST_OPEN = 4_000
EVENTS_A_JOB = 14
BATCH = 2_000


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--users", type=int, default=240)
        parser.add_argument("--jobs-each", type=int, default=25)
        parser.add_argument("--seed", type=int, default=20)
        parser.add_argument("--clients", required=True, help="write names and tokens to this file")

    @transaction.atomic
    def handle(self, *args, **options):
        dice = random.Random(options["seed"])
        users = self.make_users(dice, options["users"])
        self.make_history(dice, users)
        self.make_open_jobs(dice, users, options["jobs_each"])
        clients = [
            {"name": token.user.name, "token": token.key}
            for token in ApiToken.objects.select_related("user").order_by("pk")
        ]
        with open(options["clients"], "w") as file:
            json.dump(clients, file)

    def make_users(self, dice, count):
        names = dice.sample([f"{n}_{c}" for n in FIRST_NAMES for c in "abcdefghjklmnprstw"], count)
        names[:2] = ["sarah_k", "mike_r"]
        users = User.objects.bulk_create(
            User(
                name=name,
                full_name=name.replace("_", " ").title() + ".",
                team=dice.choice(TEAMS),
            )
            for name in dict.fromkeys(names)
        )
        ApiToken.objects.bulk_create(
            ApiToken(user=user, key=hashlib.sha256(dice.randbytes(16)).hexdigest()[:40])
            for user in users
        )
        return users

    def make_history(self, dice, users):
        """The jobs below FIRST_OPEN: completed, with events and some comments."""
        now = timezone.now()
        jobs, completions, events, comments = [], [], [], []
        for number in range(1, FIRST_OPEN):
            user = dice.choice(users)
            ended = now - timedelta(minutes=dice.randrange(60, 60_000))
            queue = dice.choice(QUEUES)
            pages = {"pages": [dice.randbytes(4).hex()]}
            jobs.append(
                Job(
                    pk=number, title=f"{queue} {number}", queue=queue, assignee=user,
                    status=Job.COMPLETED, progress=100, completed_at=ended, result=pages,
                )
            )
            completions.append(
                JobCompletion(
                    job_id=number, user=user, status=Job.COMPLETED, seal="", place=number
                )
            )
            events += (
                JobEvent(
                    job_id=number, queue=queue, kind="worked", seconds=dice.lognormvariate(4, 0.5)
                )
                for _ in range(EVENTS_A_JOB)
            )
            if dice.random() < 0.2:
                comments.append(Comment(job_id=number, author=user, text="done, please check"))
        for model, rows in (
            (Job, jobs), (JobCompletion, completions), (JobEvent, events), (Comment, comments),
        ):
            model.objects.bulk_create(rows, batch_size=BATCH)

    def make_open_jobs(self, dice, users, each):
        numbers = list(range(FIRST_OPEN, FIRST_OPEN + each * len(users)))
        dice.shuffle(numbers)
        jobs = []
        for place, number in enumerate(numbers):
            queue = dice.choice(QUEUES)
            user = users[place % len(users)]
            jobs.append(Job(pk=number, title=f"{queue} {number}", queue=queue, assignee=user))
        Job.objects.bulk_create(sorted(jobs, key=lambda job: job.pk), batch_size=BATCH)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('jobs_job', 'id'), max(id)) FROM jobs_job"
            )
