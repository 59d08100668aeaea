"""What leaves the database before it is true, or twice: each shape, and what looks like it and is safe."""

from tests.shapes import hit, silent

TASKS = """
    from celery import shared_task
    from .models import Job

    @shared_task
    def run(pk):
        return Job.objects.filter(pk=pk).count()
    """


def test_a_task_sent_inside_the_transaction():
    hit(
        "effect-before-commit",
        """
        from .tasks import run

        def start(request):
            with transaction.atomic():
                job = Job.objects.create(status="new", owner=request.user)
                run.delay(job.pk)  # act
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_a_task_sent_from_an_atomic_view():
    hit(
        "effect-before-commit",
        """
        from .tasks import run

        @transaction.atomic
        def start(request):
            job = Job(status="new", owner=request.user)
            job.save()
            run.apply_async(args=[job.pk])  # act
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_a_mail_sent_before_the_commit():
    hit(
        "effect-before-commit",
        """
        @transaction.atomic
        def start(request):
            job = Job.objects.create(status="new", owner=request.user)
            send_mail("started", str(job.pk), None, [request.user.email])  # act
            return HttpResponse(status=201)
        """,
    )


def test_a_retried_task_that_inserts():
    hit(
        "task-retry-without-key",
        """
        from celery import shared_task

        @shared_task(bind=True, max_retries=3)
        def note(self, pk, author, text):
            try:
                Note.objects.create(job_id=pk, author_id=author, text=text)  # act
                publish(text)
            except ConnectionError as error:
                raise self.retry(exc=error)
        """,
    )


def test_a_task_with_autoretry_that_inserts():
    hit(
        "task-retry-without-key",
        """
        from celery import shared_task

        @shared_task(autoretry_for=(Exception,), retry_backoff=True)
        def note(pk, author, text):
            Note.objects.create(job_id=pk, author_id=author, text=text)  # act
            publish(text)
        """,
    )


def test_on_commit_is_silent():
    silent(
        """
        from .tasks import run

        def start(request):
            with transaction.atomic():
                job = Job.objects.create(status="new", owner=request.user)
                transaction.on_commit(lambda: run.delay(job.pk))
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_on_commit_of_a_function_is_silent():
    silent(
        """
        from functools import partial
        from .tasks import run

        @transaction.atomic
        def start(request):
            job = Job.objects.create(status="new", owner=request.user)

            def send():
                run.delay(job.pk)

            transaction.on_commit(send)
            transaction.on_commit(partial(run.delay, job.pk))
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_a_task_sent_after_the_block_is_silent():
    silent(
        """
        from .tasks import run

        def start(request):
            with transaction.atomic():
                job = Job.objects.create(status="new", owner=request.user)
            run.delay(job.pk)
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_a_task_sent_in_autocommit_is_silent():
    silent(
        """
        from .tasks import run

        def start(request):
            job = Job.objects.create(status="new", owner=request.user)
            run.delay(job.pk)
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_delay_on_commit_is_silent():
    silent(
        """
        from .tasks import run

        @transaction.atomic
        def start(request):
            job = Job.objects.create(status="new", owner=request.user)
            run.delay_on_commit(job.pk)
            return HttpResponse(status=201)
        """,
        tasks=TASKS,
    )


def test_a_task_sent_where_nothing_was_written_is_silent():
    silent(
        """
        from .tasks import run

        @transaction.atomic
        def start(request, pk):
            job = get_object_or_404(Job, pk=pk)
            run.delay(job.pk)
            return HttpResponse(status=202)
        """,
        tasks=TASKS,
    )


def test_a_retried_task_with_a_key_is_silent():
    silent("""
        from celery import shared_task

        @shared_task(bind=True, max_retries=3)
        def complete(self, pk, text):
            try:
                Completion.objects.get_or_create(job_id=pk, defaults={"result": text})
                publish(text)
            except ConnectionError as error:
                raise self.retry(exc=error)
        """)


def test_a_task_that_is_never_retried_is_silent():
    silent("""
        from celery import shared_task

        @shared_task
        def note(pk, author, text):
            Note.objects.create(job_id=pk, author_id=author, text=text)
        """)


def test_a_retried_task_that_sets_what_it_was_told_is_silent():
    silent("""
        from celery import shared_task

        @shared_task(autoretry_for=(Exception,))
        def close(pk):
            Job.objects.filter(pk=pk).update(status="closed")
        """)
