"""Locks that do not hold: each shape, and what looks like it and is safe."""

from tests.shapes import hit, silent


def test_the_check_before_the_lock():
    hit(
        "lock-after-check",
        """
        def start(request, pk):
            job = Job.objects.get(pk=pk)  # read
            if job.status != "new":  # test
                return HttpResponse(status=409)
            with transaction.atomic():
                job = Job.objects.select_for_update().get(pk=pk)
                job.status = "running"
                job.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_lock_taken_and_released_before_the_act():
    hit(
        "lock-after-check",
        """
        def start(request, pk):
            job = Job.objects.get(pk=pk)  # read
            if job.status != "new":  # test
                return HttpResponse(status=409)
            with transaction.atomic():
                Job.objects.select_for_update().filter(pk=pk).first()
            job.status = "running"
            job.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_lock_that_is_never_evaluated():
    hit(
        "lock-never-evaluated",
        """
        @transaction.atomic
        def deposit(request, pk):
            Account.objects.select_for_update().filter(pk=pk)
            account = Account.objects.get(pk=pk)
            account.balance += int(request.POST["amount"])
            account.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_lock_kept_in_a_name_and_never_evaluated():
    hit(
        "lock-never-evaluated",
        """
        @transaction.atomic
        def deposit(request, pk):
            locked = Account.objects.select_for_update().filter(pk=pk)
            account = Account.objects.get(pk=pk)
            account.balance += int(request.POST["amount"])
            account.save()
            return HttpResponse(status=200)
        """,
    )


def test_a_lock_dropped_by_an_aggregate():
    hit(
        "lock-never-evaluated",
        """
        @transaction.atomic
        def invoice(request, account):
            last = Invoice.objects.select_for_update().filter(account=account).aggregate(top=Max("number"))["top"]
            Invoice.objects.create(account_id=account, number=(last or 0) + 1)  # act
            return HttpResponse(status=201)
        """,
    )


def test_a_lock_dropped_by_a_count():
    hit(
        "lock-never-evaluated",
        """
        @transaction.atomic
        def join(request, pk):
            if Note.objects.select_for_update().filter(job_id=pk).count() >= 10:
                return HttpResponse(status=409)
            Note.objects.create(job_id=pk, author=request.user, text="")  # act
            return HttpResponse(status=201)
        """,
    )


def test_a_lock_outside_a_transaction():
    hit(
        "lock-outside-transaction",
        """
        def deposit(request, pk):
            account = Account.objects.select_for_update().get(pk=pk)
            account.balance += int(request.POST["amount"])
            account.save()
            return HttpResponse(status=200)
        """,
    )


def test_a_transaction_that_ends_before_the_save():
    hit(
        "lock-outside-transaction",
        """
        def deposit(request, pk):
            with transaction.atomic():
                account = Account.objects.select_for_update().get(pk=pk)
            account.balance += int(request.POST["amount"])
            account.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_queryset_evaluated_by_a_loop_is_silent():
    silent("""
        @transaction.atomic
        def close(request, pk):
            for job in Job.objects.select_for_update().filter(owner_id=pk):
                job.status = "closed"
                job.save()
            return HttpResponse(status=200)
        """)


def test_a_queryset_evaluated_by_list_is_silent():
    silent("""
        @transaction.atomic
        def move(request, one, two):
            accounts = Account.objects.select_for_update().filter(pk__in=[one, two]).order_by("pk")
            by_pk = {account.pk: account for account in accounts}
            by_pk[one].balance -= 5
            by_pk[one].save()
            return HttpResponse(status=200)
        """)


def test_a_locked_queryset_returned_is_silent():
    silent("""
        def locked(pk):
            return Account.objects.select_for_update().filter(pk=pk)
        """)


def test_the_check_repeated_under_the_lock_is_silent():
    silent("""
        def start(request, pk):
            job = Job.objects.get(pk=pk)
            if job.status != "new":
                return HttpResponse(status=409)
            with transaction.atomic():
                job = Job.objects.select_for_update().get(pk=pk)
                if job.status != "new":
                    return HttpResponse(status=409)
                job.status = "running"
                job.save()
            return HttpResponse(status=200)
        """)


def test_locked_exists_keeps_its_lock_and_is_silent():
    silent("""
        @transaction.atomic
        def start(request, pk):
            if not Job.objects.select_for_update().filter(pk=pk, status="new").exists():
                return HttpResponse(status=409)
            Job.objects.filter(pk=pk).update(status="running")
            return HttpResponse(status=200)
        """)


def test_a_transaction_around_the_caller_is_silent():
    silent("""
        def _deposit(pk, amount):
            account = Account.objects.select_for_update().get(pk=pk)
            account.balance += amount
            account.save()

        @transaction.atomic
        def deposit(request, pk):
            _deposit(pk, int(request.POST["amount"]))
            return HttpResponse(status=200)
        """)


def test_atomic_requests_are_a_transaction():
    views = """
        def deposit(request, pk):
            account = Account.objects.select_for_update().get(pk=pk)
            account.balance += int(request.POST["amount"])
            account.save()
            return HttpResponse(status=200)
        """
    silent(views, settings='DATABASES = {"default": {"ENGINE": "postgresql", "ATOMIC_REQUESTS": True}}')
    hit(
        "lock-outside-transaction",
        views,
        settings='DATABASES = {"default": {"ENGINE": "postgresql", "ATOMIC_REQUESTS": False}}',
    )


def test_a_locked_count_of_a_list_is_silent():
    silent("""
        @transaction.atomic
        def join(request, pk):
            job = Job.objects.select_for_update().get(pk=pk)
            if len(list(Note.objects.filter(job=job))) >= 10:
                return HttpResponse(status=409)
            Note.objects.create(job=job, author=request.user, text="")
            return HttpResponse(status=201)
        """)


def test_a_decorator_that_locks_is_silent():
    silent(
        """
        from .locks import advisory_lock

        @advisory_lock("invoices")
        def invoice(request, account):
            last = Invoice.objects.filter(account=account).aggregate(top=Max("number"))["top"]
            Invoice.objects.create(account_id=account, number=(last or 0) + 1)
            return HttpResponse(status=201)
        """,
        locks="""
        from contextlib import contextmanager
        from django.db import connection, transaction

        @contextmanager
        def advisory_lock(name):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
                yield
        """,
    )
