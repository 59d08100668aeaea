"""States that are looked for or tested, and then changed."""

from tests.shapes import hit, silent


def test_a_row_chosen_by_its_state_then_moved_on():
    hit(
        "lost-update",
        """
        def work():
            job = Job.objects.filter(status="open").first()  # read
            if job is None:
                return
            job.status = "running"
            job.save()  # act
            send_mail("started", "", "", [job.owner.email])
        """,
    )


def test_a_row_chosen_by_its_state_under_a_lock_is_silent():
    silent("""
        @transaction.atomic
        def work():
            job = Job.objects.select_for_update(skip_locked=True).filter(status="open").first()
            if job is None:
                return
            job.status = "running"
            job.save()
        """)


def test_a_row_chosen_by_its_old_name_is_silent():
    silent("""
        def rename(request, number):
            account = Account.objects.get(number=number)
            account.number = request.POST["number"]
            account.save()
        """)


def test_the_next_state_is_free_to_choose():
    hit(
        "lost-update",
        """
        def move(request, pk):
            job = Job.objects.get(pk=pk)  # read
            wanted = request.POST["status"]
            if wanted not in ALLOWED.get(job.status, ()):  # test
                return HttpResponse(status=409)
            job.status = wanted
            job.save(update_fields=["status"])  # act
        """,
    )


def test_the_same_mark_for_everybody_is_silent():
    silent("""
        def close(request, pk):
            job = Job.objects.get(pk=pk)
            if job.status != "done":
                job.status = "done"
                job.save(update_fields=["status"])
        """)


def test_a_mark_that_is_refused_when_it_is_set():
    hit(
        "lost-update",
        """
        def close(request, pk):
            job = Job.objects.get(pk=pk)  # read
            if job.status == "done":  # test
                return HttpResponse(status=409)
            job.status = "done"
            job.save()  # act
        """,
    )


def test_rows_chosen_by_a_mark_and_marked_is_silent():
    silent("""
        def close():
            for job in Job.objects.filter(status="open"):
                job.status = "closed"
                job.save()
        """)


def test_one_thing_fetched_from_elsewhere_where_there_was_none():
    hit(
        "lost-update",
        """
        def open_ticket(job: Job):
            if job.result:  # read test
                return
            ticket = tracker.create_ticket(title="broken")
            job.result = ticket.number
            job.save(update_fields=["result"])  # act
        """,
    )


def test_a_setting_where_there_was_none_is_silent():
    silent("""
        def open_ticket(job: Job):
            if job.result:
                return
            job.result = settings.TICKET
            job.save(update_fields=["result"])
        """)


def test_one_thing_fetched_from_elsewhere_and_claimed_is_silent():
    silent("""
        def open_ticket(job: Job):
            if job.result:
                return
            ticket = tracker.create_ticket(title="broken")
            Job.objects.filter(pk=job.pk, result="").update(result=ticket.number)
        """)
