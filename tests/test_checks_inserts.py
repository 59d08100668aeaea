"""Rows that are inserted because none was there: each shape, and what looks like it and is safe."""

from tests.shapes import hit, silent


def test_exists_then_create():
    hit(
        "check-then-insert",
        """
        def comment(request, pk):
            if Note.objects.filter(job_id=pk, author=request.user).exists():  # read
                return HttpResponse(status=409)
            Note.objects.create(job_id=pk, author=request.user, text="")  # act
            return HttpResponse(status=201)
        """,
    )


def test_exists_then_create_behind_a_constraint_costs_a_failure_not_a_row():
    behind = hit(
        "check-then-insert",
        """
        def vote(request, pk):
            if Vote.objects.filter(user=request.user, job_id=pk).exists():  # read
                return HttpResponse(status=409)
            Vote.objects.create(user=request.user, job_id=pk, value=1)  # act
            return HttpResponse(status=201)
        """,
    )
    without = hit(
        "check-then-insert",
        """
        def comment(request, pk):
            if not Note.objects.filter(job_id=pk, author=request.user).exists():
                Note.objects.create(job_id=pk, author=request.user, text="")
            return HttpResponse(status=201)
        """,
    )
    assert behind.cost != without.cost
    assert "unique_constraint" in without.cures
    assert "unique_constraint" not in behind.cures


def test_state_checked_then_a_completion_is_created():
    hit(
        "check-then-insert",
        """
        def complete(request, pk):
            job = Job.objects.get(pk=pk)  # read
            if job.status != "running":  # test
                return HttpResponse(status=409)
            job.status = "done"
            job.save()
            Completion.objects.create(job=job, result="")  # act
            return HttpResponse(status=200)
        """,
    )


def test_first_then_save_of_a_new_one():
    hit(
        "check-then-insert",
        """
        def comment(request, pk):
            note = Note.objects.filter(job_id=pk, author=request.user).first()  # read
            if note is None:  # test
                note = Note(job_id=pk, author=request.user)
                note.text = request.POST["text"]
                note.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_count_then_create():
    hit(
        "check-then-insert",
        """
        def comment(request, pk):
            if Note.objects.filter(job_id=pk).count() == 0:  # read
                Note.objects.create(job_id=pk, author=request.user, text="")  # act
            return HttpResponse(status=200)
        """,
    )


def test_the_insert_in_a_function_of_another_module():
    hit(
        "check-then-insert",
        """
        from .services import add_vote

        def vote(request, pk):
            if Vote.objects.filter(user=request.user, job_id=pk).exists():  # read
                return HttpResponse(status=409)
            add_vote(request.user, pk)
            return HttpResponse(status=201)
        """,
        services="""
        from .models import Vote

        def add_vote(user, pk):
            return Vote.objects.create(user=user, job_id=pk, value=1)  # act
        """,
    )


def test_the_check_in_a_helper():
    hit(
        "check-then-insert",
        """
        def has_voted(user, pk):
            return Vote.objects.filter(user=user, job_id=pk).exists()

        def vote(request, pk):
            if has_voted(request.user, pk):
                return HttpResponse(status=409)
            Vote.objects.create(user=request.user, job_id=pk, value=1)  # act
            return HttpResponse(status=201)
        """,
    )


def test_atomic_alone_does_nothing():
    hit(
        "check-then-insert",
        """
        @transaction.atomic
        def vote(request, pk):
            if not Vote.objects.filter(user=request.user, job_id=pk).exists():  # read
                Vote.objects.create(user=request.user, job_id=pk, value=1)  # act
            return HttpResponse(status=201)
        """,
    )


def test_get_except_create():
    hit(
        "get-except-create",
        """
        def comment(request, pk):
            try:
                note = Note.objects.get(job_id=pk, author=request.user)  # read
            except Note.DoesNotExist:
                note = Note.objects.create(job_id=pk, author=request.user, text="")  # act
            return JsonResponse({"note": note.pk})
        """,
    )


def test_get_except_create_behind_a_constraint():
    hit(
        "get-except-create",
        """
        def vote(request, pk):
            try:
                vote = Vote.objects.get(user=request.user, job_id=pk)  # read
            except Vote.DoesNotExist:
                vote = Vote(user=request.user, job_id=pk, value=1)
                vote.save()  # act
            return JsonResponse({"vote": vote.pk})
        """,
    )


def test_a_handled_conflict_behind_a_constraint_is_silent():
    silent("""
        def vote(request, pk):
            if Vote.objects.filter(user=request.user, job_id=pk).exists():
                return HttpResponse(status=409)
            try:
                with transaction.atomic():
                    Vote.objects.create(user=request.user, job_id=pk, value=1)
            except IntegrityError:
                return HttpResponse(status=409)
            return HttpResponse(status=201)
        """)


def test_a_handler_is_no_help_without_a_constraint():
    hit(
        "check-then-insert",
        """
        def comment(request, pk):
            if Note.objects.filter(job_id=pk, author=request.user).exists():  # read
                return HttpResponse(status=409)
            try:
                Note.objects.create(job_id=pk, author=request.user, text="")  # act
            except IntegrityError:
                return HttpResponse(status=409)
            return HttpResponse(status=201)
        """,
    )


def test_a_handler_in_the_caller_is_silent():
    silent(
        """
        from .services import add_vote

        def vote(request, pk):
            try:
                add_vote(request.user, pk)
            except IntegrityError:
                return HttpResponse(status=409)
            return HttpResponse(status=201)
        """
    )


def test_insert_first_is_silent():
    silent("""
        def vote(request, pk):
            try:
                with transaction.atomic():
                    Vote.objects.create(user=request.user, job_id=pk, value=1)
            except IntegrityError:
                return HttpResponse(status=409)
            return HttpResponse(status=201)
        """)


def test_the_parent_locked_before_the_check_is_silent():
    silent("""
        def vote(request, pk):
            with transaction.atomic():
                job = Job.objects.select_for_update().get(pk=pk)
                if not Vote.objects.filter(user=request.user, job=job).exists():
                    Vote.objects.create(user=request.user, job=job, value=1)
            return HttpResponse(status=201)
        """)


def test_the_state_locked_before_the_check_is_silent():
    silent("""
        @transaction.atomic
        def complete(request, pk):
            job = Job.objects.select_for_update().get(pk=pk)
            if job.status != "running":
                return HttpResponse(status=409)
            job.status = "done"
            job.save()
            Completion.objects.create(job=job, result="")
            return HttpResponse(status=200)
        """)


def test_a_conditional_update_before_the_insert_is_silent():
    silent("""
        @transaction.atomic
        def complete(request, pk):
            if not Job.objects.filter(pk=pk, status="running").update(status="done"):
                return HttpResponse(status=409)
            Completion.objects.create(job_id=pk, result="")
            return HttpResponse(status=200)
        """)


def test_a_create_that_no_check_decides_is_silent():
    silent("""
        def comment(request, pk):
            job = get_object_or_404(Job, pk=pk)
            note = Note.objects.create(job=job, author=request.user, text=request.POST["text"])
            return JsonResponse({"note": note.pk}, status=201)
        """)


def test_permission_checked_before_a_create_is_silent():
    silent("""
        def comment(request, pk):
            job = get_object_or_404(Job, pk=pk)
            if job.owner_id != request.user.pk:
                return HttpResponse(status=403)
            if not request.user.has_perm("shop.add_note"):
                return HttpResponse(status=403)
            Note.objects.create(job=job, author=request.user, text=request.POST["text"])
            return HttpResponse(status=201)
        """)


def test_one_row_checked_and_a_row_of_another_kind_inserted_is_silent():
    silent("""
        def comment(request, pk):
            if not Account.objects.filter(name=request.user.username).exists():
                return HttpResponse(status=403)
            Note.objects.create(job_id=pk, author=request.user, text=request.POST["text"])
            return HttpResponse(status=201)
        """)


def test_a_fresh_object_saved_again_is_silent():
    silent("""
        def comment(request, pk):
            note = Note(job_id=pk, author=request.user, text="")
            note.save()
            if request.POST.get("text"):
                note.text = request.POST["text"]
                note.save()
            return HttpResponse(status=201)
        """)
