"""Limits, single uses and deletions decided on an old read: each shape, and what looks like it and is safe."""

from tests.shapes import hit, silent


def test_limit_checked_then_f_increment():
    hit(
        "limited-use",
        """
        def redeem(request, code):
            coupon = Coupon.objects.get(code=code)  # read
            if coupon.used >= coupon.limit:  # test
                return HttpResponse(status=409)
            Coupon.objects.filter(pk=coupon.pk).update(used=F("used") + 1)  # act
            return HttpResponse(status=200)
        """,
    )


def test_limit_checked_by_a_method_of_the_model():
    hit(
        "limited-use",
        """
        def redeem(request, code):
            coupon = get_object_or_404(Coupon, code=code)  # read
            if not coupon.is_usable():  # test
                return HttpResponse(status=409)
            coupon.used = F("used") + 1
            coupon.save(update_fields=["used"])  # act
            return HttpResponse(status=200)
        """,
    )


def test_balance_checked_then_drawn():
    hit(
        "limited-use",
        """
        @transaction.atomic
        def draw(request, pk):
            account = Account.objects.get(pk=pk)  # read
            amount = int(request.POST["amount"])
            if account.balance < amount:  # test
                return HttpResponse(status=409)
            account.balance -= amount
            account.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_places_counted_then_taken():
    hit(
        "limited-use",
        """
        def join(request, pk):
            job = Job.objects.get(pk=pk)
            if job.notes.count() >= 10:  # read
                return HttpResponse(status=409)
            Note.objects.create(job=job, author=request.user, text="")  # act
            return HttpResponse(status=201)
        """,
    )


def test_exists_then_get_and_delete():
    hit(
        "delete-after-check",
        """
        def remove(request, pk):
            if not Note.objects.filter(pk=pk).exists():  # read
                return HttpResponse(status=404)
            Note.objects.get(pk=pk).delete()  # act
            return HttpResponse(status=204)
        """,
    )


def test_a_single_use_row_granted_then_deleted():
    hit(
        "limited-use",
        """
        def accept(request, pk):
            note = get_object_or_404(Note, pk=pk)  # read
            Vote.objects.create(user=request.user, job=note.job, value=1)
            note.delete()  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_limit_in_the_condition_of_the_update_is_silent():
    silent("""
        def redeem(request, code):
            used = Coupon.objects.filter(code=code, used__lt=F("limit")).update(used=F("used") + 1)
            return HttpResponse(status=200 if used else 409)
        """)


def test_a_limit_tested_early_and_again_in_the_update_is_silent():
    silent("""
        def redeem(request, code):
            coupon = get_object_or_404(Coupon, code=code)
            if not coupon.is_usable():
                return HttpResponse(status=409)
            if not Coupon.objects.filter(pk=coupon.pk, used__lt=F("limit")).update(used=F("used") + 1):
                return HttpResponse(status=409)
            return HttpResponse(status=200)
        """)


def test_a_limit_under_a_lock_is_silent():
    silent("""
        def redeem(request, code):
            with transaction.atomic():
                coupon = Coupon.objects.select_for_update().get(code=code)
                if coupon.used >= coupon.limit:
                    return HttpResponse(status=409)
                coupon.used += 1
                coupon.save(update_fields=["used"])
            return HttpResponse(status=200)
        """)


def test_a_queryset_delete_is_silent():
    silent("""
        def remove(request, pk):
            Note.objects.filter(pk=pk, author=request.user).delete()
            return HttpResponse(status=204)
        """)


def test_a_plain_get_and_delete_is_silent():
    silent("""
        def remove(request, pk):
            note = get_object_or_404(Note, pk=pk, author=request.user)
            note.delete()
            return HttpResponse(status=204)
        """)


def test_a_locked_single_use_row_is_silent():
    silent("""
        def accept(request, pk):
            with transaction.atomic():
                note = Note.objects.select_for_update().filter(pk=pk).first()
                if note is None:
                    return HttpResponse(status=410)
                Vote.objects.get_or_create(user=request.user, job=note.job, defaults={"value": 1})
                note.delete()
            return HttpResponse(status=200)
        """)


def test_serializable_with_a_retry_is_silent():
    silent("""
        from django.db import OperationalError

        def deposit(request, pk):
            while True:
                try:
                    with transaction.atomic():
                        connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                        account = Account.objects.get(pk=pk)
                        account.balance += int(request.POST["amount"])
                        account.save()
                    return HttpResponse(status=200)
                except OperationalError:
                    continue
        """)


def test_conditional_update_is_silent():
    silent("""
        def start(request, pk):
            if not Job.objects.filter(pk=pk, status="new").update(status="running"):
                return HttpResponse(status=409)
            return HttpResponse(status=200)
        """)


def test_compare_and_set_is_silent():
    silent("""
        def start(request, pk):
            job = Job.objects.get(pk=pk)
            changed = Job.objects.filter(pk=pk, attempts=job.attempts).update(attempts=job.attempts + 1)
            if changed == 0:
                return HttpResponse(status=409)
            return HttpResponse(status=200)
        """)
