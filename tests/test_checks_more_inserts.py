"""Rows that are inserted because none was there, by other roads: lists of what is missing, loops, validation."""

from tests.shapes import hit, silent


def test_bulk_create_of_what_a_query_lacks():
    hit(
        "check-then-insert",
        """
        def invite(request, pk):
            known = set(Vote.objects.filter(job_id=pk).values_list("user_id", flat=True))  # read
            missing = [Vote(job_id=pk, user_id=u, value=1) for u in request.POST.getlist("u") if u not in known]
            Vote.objects.bulk_create(missing)  # act
        """,
    )


def test_bulk_create_of_a_list_that_grew_where_none_was_found():
    hit(
        "check-then-insert",
        """
        def invite(request, pk):
            existing = {vote.user_id: vote for vote in Vote.objects.filter(job_id=pk)}  # read
            new = []
            for user in request.POST.getlist("users"):
                vote = existing.get(user)
                if vote is None:
                    new.append(Vote(job_id=pk, user_id=user, value=1))
            Vote.objects.bulk_create(new)  # act
        """,
    )


def test_bulk_create_that_ignores_conflicts_is_silent():
    silent("""
        def invite(request, pk):
            known = set(Vote.objects.filter(job_id=pk).values_list("user_id", flat=True))
            missing = [Vote(job_id=pk, user_id=u, value=1) for u in request.POST.getlist("u") if u not in known]
            Vote.objects.bulk_create(missing, ignore_conflicts=True)
        """)


def test_bulk_create_of_what_was_asked_for_is_silent():
    silent("""
        def invite(request, pk):
            new = []
            for user in request.POST.getlist("users"):
                new.append(Note(job_id=pk, author_id=user, text=""))
            Note.objects.bulk_create(new)
        """)


def test_bulk_create_under_the_lock_of_the_parent_is_silent():
    silent("""
        @transaction.atomic
        def invite(request, pk):
            job = Job.objects.select_for_update().get(pk=pk)
            known = set(Vote.objects.filter(job=job).values_list("user_id", flat=True))
            missing = [Vote(job=job, user_id=u, value=1) for u in request.POST.getlist("u") if u not in known]
            Vote.objects.bulk_create(missing)
        """)


def test_difference_of_sets():
    hit(
        "check-then-insert",
        """
        def invite(request, pk):
            known = set(Vote.objects.filter(job_id=pk).values_list("user_id", flat=True))  # read
            for user in set(request.POST.getlist("users")).difference(known):
                Vote.objects.create(job_id=pk, user_id=user, value=1)  # act
        """,
    )


def test_a_row_made_in_the_handler_and_saved_after_it():
    hit(
        "get-except-create",
        """
        def vote(request, pk):
            try:
                vote = Vote.objects.get(job_id=pk, user=request.user)  # read
            except Vote.DoesNotExist:
                vote = Vote(job_id=pk, user=request.user)
            vote.value = int(request.POST["value"])
            vote.save()  # act
        """,
    )


def test_a_row_made_in_any_case_and_saved_is_silent():
    silent("""
        def comment(request, pk):
            try:
                job = Job.objects.get(pk=pk)
            except Job.DoesNotExist:
                return HttpResponse(status=404)
            note = Note(job=job, author=request.user)
            note.text = request.POST["text"]
            note.save()
        """)


def test_found_or_a_new_one():
    hit(
        "check-then-insert",
        """
        def vote(request, pk):
            votes = Vote.objects.filter(job_id=pk, user=request.user)
            vote = votes.first() or Vote(job_id=pk, user=request.user)  # read
            vote.value = 3
            vote.save()  # act
        """,
    )


def test_nothing_was_updated_so_a_row_is_inserted():
    hit(
        "check-then-insert",
        """
        def vote(request, pk):
            changed = Vote.objects.filter(job_id=pk, user=request.user).update(value=3)  # read
            if not changed:  # test
                Vote.objects.create(job_id=pk, user=request.user, value=3)  # act
        """,
    )


def test_nothing_was_updated_so_it_is_refused_is_silent():
    silent("""
        def complete(request, pk):
            if Job.objects.filter(pk=pk, status="running").update(status="done") != 1:
                return HttpResponse(status=409)
            Completion.objects.create(job_id=pk, result="")
        """)


def test_a_flag_tells_which_rows_are_missing():
    hit(
        "check-then-insert",
        """
        def invite(request, pk):
            existing = {vote.user_id: vote for vote in Vote.objects.filter(job_id=pk)}  # read
            new, old = [], []
            for user in request.POST.getlist("users"):
                known = int(user) in existing
                vote = existing[int(user)] if known else Vote(job_id=pk, user_id=user)
                vote.value = 1
                if known:
                    old.append(vote)
                else:
                    new.append(vote)
            if len(new) > 0:
                Vote.objects.bulk_create(new)  # act
        """,
    )


def test_a_row_of_a_class_that_the_text_does_not_tell():
    hit(
        "check-then-insert",
        """
        class Feature:
            def prepare(self, sponsor):
                if not sponsor.assets.filter(internal_name=self.name).exists():  # read
                    asset = self.ASSET_CLASS(owner=sponsor, internal_name=self.name)
                    asset.save()  # act
        """,
    )


def test_an_object_that_is_given_other_fields_is_silent():
    silent("""
        class Feature:
            def prepare(self, sponsor):
                if not sponsor.assets.filter(internal_name=self.name).exists():
                    entry = self.LOG_CLASS(owner=sponsor, text="no asset")
                    entry.save()
        """)


def test_asked_again_under_the_lock_is_silent():
    silent("""
        def free(job, user):
            return not Note.objects.filter(job=job, author=user).exists()

        def comment(request, pk):
            job = get_object_or_404(Job, pk=pk)
            if not free(job, request.user):
                return HttpResponse(status=409)
            with transaction.atomic():
                job = Job.objects.select_for_update().get(pk=pk)
                if not free(job, request.user):
                    return HttpResponse(status=409)
                note = Note(job=job, author=request.user, text="")
                note.save()
        """)


def test_locked_but_not_asked_again():
    hit(
        "check-then-insert",
        """
        def comment(request, pk):
            job = get_object_or_404(Job, pk=pk)
            if Note.objects.filter(job=job, author=request.user).exists():  # read
                return HttpResponse(status=409)
            with transaction.atomic():
                job = Job.objects.select_for_update().get(pk=pk)
                note = Note(job=job, author=request.user, text="")
                note.save()  # act
        """,
    )


def test_got_so_it_is_refused_else_created_after_the_handler():
    hit(
        "get-except-create",
        """
        def comment(request, pk):
            try:
                Note.objects.get(job_id=pk, author=request.user)  # read
                return HttpResponse(status=409)
            except Note.DoesNotExist:
                pass
            Note.objects.create(job_id=pk, author=request.user, text="")  # act
        """,
    )


def test_got_or_not_a_row_is_created_is_silent():
    silent("""
        def comment(request, pk):
            try:
                job = Job.objects.get(pk=pk)
            except Job.DoesNotExist:
                return HttpResponse(status=404)
            Note.objects.create(job=job, author=request.user, text="")
        """)


def test_any_of_the_rows():
    hit(
        "check-then-insert",
        """
        def comment(request, pk):
            if any(note.author == request.user for note in Note.objects.filter(job_id=pk)):  # read
                return HttpResponse(status=409)
            Note.objects.create(job_id=pk, author=request.user, text="")  # act
        """,
    )
