"""The last one stays; and what else the zoo showed to be missing, each beside what looks like it and is safe."""

from tests.shapes import hit, silent


def test_two_of_several_are_deleted_at_once():
    hit(
        "limited-use",
        """
        def leave(request, pk):
            mine = get_object_or_404(Note, pk=pk)
            if Note.objects.filter(job_id=mine.job_id).count() < 2:  # read test
                return HttpResponse(status=409)
            mine.delete()  # act
            return HttpResponse(status=204)
        """,
    )


def test_the_column_by_which_they_are_counted_is_set():
    hit(
        "limited-use",
        """
        @transaction.atomic
        def retire(request, pk):
            mine = Job.objects.get(pk=pk)
            others = Job.objects.filter(owner_id=mine.owner_id, status="on").exclude(pk=pk)
            if not others.exists():  # read test
                return HttpResponse(status=409)
            mine.status = "off"
            mine.save(update_fields=["status"])  # act
            return HttpResponse(status=204)
        """,
    )


def test_a_lock_on_the_parent_first_is_silent():
    silent("""
        @transaction.atomic
        def leave(request, pk):
            mine = get_object_or_404(Note, pk=pk)
            Job.objects.select_for_update().get(pk=mine.job_id)
            if Note.objects.filter(job_id=mine.job_id).count() < 2:
                return HttpResponse(status=409)
            mine.delete()
            return HttpResponse(status=204)
        """)


def test_pruning_what_is_too_much_is_silent():
    silent("""
        def prune(request, pk):
            oldest = Note.objects.filter(job_id=pk).order_by("pk").first()
            if Note.objects.filter(job_id=pk).count() > 100:
                oldest.delete()
            return HttpResponse(status=204)
        """)


def test_another_column_than_the_counted_one_is_silent():
    silent("""
        def describe(request, pk):
            mine = Job.objects.get(pk=pk)
            if not Job.objects.filter(owner_id=mine.owner_id, status="on").exists():
                return HttpResponse(status=409)
            mine.result = request.POST["result"]
            mine.save(update_fields=["result"])
            return HttpResponse(status=204)
        """)


MAIL = """
        def finish(request, pk):
            try:
                with transaction.atomic():
                    if Completion.objects.filter(job_id=pk).exists():
                        return HttpResponse(status=409)
                    {first}
                    {second}
            except IntegrityError:
                return HttpResponse(status=409)
            return HttpResponse(status=201)
"""
SENT = 'send_mail("done", "", None, ["a@example.org"])'
MADE = 'Completion.objects.create(job_id=pk, result="")'


def test_a_mail_before_an_insert_that_can_be_refused():
    hit("effect-before-commit", MAIL.format(first=f"{SENT}  # act", second=MADE))


def test_a_mail_on_commit_is_silent():
    silent(MAIL.format(first=MADE, second=f"transaction.on_commit(lambda: {SENT})"))


def test_a_mail_before_an_insert_that_nothing_refuses_is_silent():
    silent(f"""
        @transaction.atomic
        def note(request, pk):
            {SENT}
            Note.objects.create(job_id=pk, author=request.user, text="")
            return HttpResponse(status=201)
        """)


def test_a_form_that_sets_what_it_was_sent_and_saves_all():
    hit(
        "lost-update",
        """
        def edit(request, pk):
            account = Account.objects.get(pk=pk)  # read
            if "name" in request.POST:
                account.name = request.POST["name"]
            if "number" in request.POST:
                account.number = request.POST["number"]
            account.save()  # act
            return HttpResponse(status=204)
        """,
    )


def test_a_form_that_always_sets_the_same_is_silent():
    silent("""
        def edit(request, pk):
            account = Account.objects.get(pk=pk)
            account.name = request.POST["name"]
            account.number = request.POST["number"]
            account.save()
            return HttpResponse(status=204)
        """)


def test_of_two_counted_columns_the_tested_one_counts():
    hit(
        "limited-use",
        """
        def again(request, pk):
            coupon = Coupon.objects.get(pk=pk)  # read
            if coupon.used >= 3:  # test
                return HttpResponse(status=409)
            coupon.limit += 1
            coupon.used += 1
            coupon.save()  # act
            return HttpResponse(status=204)
        """,
    )


def test_an_idle_lock_names_the_decision():
    hit(
        "lock-never-evaluated",
        """
        @transaction.atomic
        def withdraw(request, pk):
            Account.objects.select_for_update().filter(pk=pk)  # read
            account = Account.objects.get(pk=pk)
            if account.balance < 5:  # test
                return HttpResponse(status=409)
            account.balance -= 5
            account.save()  # act
            return HttpResponse(status=204)
        """,
    )
