"""Rows that take the next free number, or that `get_or_create` and a lock are trusted with; and their safe twins."""

from tests.shapes import hit, silent


def test_get_or_create_without_a_constraint():
    hit(
        "get-or-create-unconstrained",
        """
        def comment(request, pk):
            note, created = Note.objects.get_or_create(job_id=pk, author=request.user)  # read act
            return JsonResponse({"note": note.pk})
        """,
    )


def test_update_or_create_without_a_constraint():
    hit(
        "get-or-create-unconstrained",
        """
        def comment(request, pk):
            Note.objects.update_or_create(job_id=pk, author=request.user, defaults={"text": "x"})  # read act
            return HttpResponse(status=200)
        """,
    )


def test_lock_on_a_row_that_is_not_there():
    hit(
        "lock-absent-row",
        """
        @transaction.atomic
        def comment(request, pk):
            note = Note.objects.select_for_update().filter(job_id=pk, author=request.user).first()  # read
            if note is None:  # test
                Note.objects.create(job_id=pk, author=request.user, text="")  # act
            return HttpResponse(status=200)
        """,
    )


def test_max_plus_one():
    hit(
        "next-free",
        """
        def invoice(request, account):
            last = Invoice.objects.filter(account=account).aggregate(top=Max("number"))["top"]  # read
            number = (last or 0) + 1
            Invoice.objects.create(account_id=account, number=number)  # act
            return JsonResponse({"number": number})
        """,
    )


def test_last_plus_one():
    hit(
        "next-free",
        """
        @transaction.atomic
        def invoice(request, account):
            last = Invoice.objects.filter(account=account).order_by("-number").first()  # read
            number = last.number + 1 if last else 1
            invoice = Invoice(account_id=account, number=number)
            invoice.save()  # act
            return JsonResponse({"number": number})
        """,
    )


def test_count_plus_one():
    hit(
        "next-free",
        """
        def invoice(request, account):
            number = Invoice.objects.filter(account=account).count() + 1  # read
            Invoice.objects.create(account_id=account, number=number)  # act
            return JsonResponse({"number": number})
        """,
    )


def test_get_or_create_on_a_constraint_is_silent():
    silent("""
        def vote(request, pk):
            vote, created = Vote.objects.get_or_create(user=request.user, job_id=pk, defaults={"value": 1})
            return JsonResponse({"vote": vote.pk})
        """)


def test_get_or_create_on_a_unique_field_is_silent():
    silent("""
        def account(request, number):
            account, _ = Account.objects.get_or_create(number=number, defaults={"balance": 0, "name": ""})
            return JsonResponse({"account": account.pk})
        """)


def test_get_or_create_on_a_one_to_one_is_silent():
    silent("""
        def complete(request, pk):
            Completion.objects.get_or_create(job_id=pk, defaults={"result": ""})
            return HttpResponse(status=200)
        """)


def test_an_advisory_lock_held_to_commit_is_silent():
    silent("""
        @transaction.atomic
        def invoice(request, account):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [account])
            last = Invoice.objects.filter(account=account).aggregate(top=Max("number"))["top"]
            Invoice.objects.create(account_id=account, number=(last or 0) + 1)
            return HttpResponse(status=201)
        """)


def test_a_locked_parent_numbers_its_children_silently():
    silent("""
        def invoice(request, account):
            with transaction.atomic():
                owner = Account.objects.select_for_update().get(pk=account)
                last = Invoice.objects.filter(account=owner).aggregate(top=Max("number"))["top"]
                Invoice.objects.create(account=owner, number=(last or 0) + 1)
            return HttpResponse(status=201)
        """)


def test_rows_that_are_only_counted_are_silent():
    silent("""
        def page(request, pk):
            number = Note.objects.filter(job_id=pk).count() + 1
            last = Note.objects.order_by("-pk").first()
            return JsonResponse({"next": number, "last": last.text if last else None})
        """)


def test_get_or_create_with_more_lookups_than_the_constraint_needs_is_silent():
    silent("""
        def vote(request, pk):
            vote, _ = Vote.objects.get_or_create(user=request.user, job_id=pk, value=1)
            return JsonResponse({"vote": vote.pk})
        """)


def test_get_or_create_on_a_related_manager_is_silent():
    silent("""
        def vote(request, pk):
            job = get_object_or_404(Job, pk=pk)
            vote, _ = job.vote_set.get_or_create(user=request.user, defaults={"value": 1})
            return JsonResponse({"vote": vote.pk})
        """)


def test_get_or_create_without_the_case_on_a_unique_field_is_silent():
    silent("""
        def account(request, number):
            account, _ = Account.objects.get_or_create(number__iexact=number, defaults={"number": number, "balance": 0})
            return JsonResponse({"account": account.pk})
        """)


def test_get_or_create_by_a_unique_field_whose_name_ends_in_id_is_silent():
    silent(
        """
        from .accounts import Tenant

        def tenant(request, stack, org):
            tenant, _ = Tenant.objects.get_or_create(stack_id=stack, org_id=org)
            return JsonResponse({"tenant": tenant.pk})
        """,
        accounts="""
        from django.db import models

        class Tenant(models.Model):
            stack_id = models.PositiveIntegerField()
            org_id = models.PositiveIntegerField()

            class Meta:
                unique_together = ("stack_id", "org_id")
        """,
    )
