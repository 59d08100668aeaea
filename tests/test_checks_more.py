"""Rows that are changed or deleted on a test that no longer holds, by other roads; and locks that hold too little."""

from analysis.source import hits_in
from tests.shapes import VIEWS, application, hit, silent


def test_counted_up_where_the_row_was_there_already():
    hit(
        "counter-increment",
        """
        def visit(request, code):
            coupon, created = Coupon.objects.get_or_create(code=code, defaults={"limit": 3})  # read
            if not created:
                coupon.used += 1
                coupon.save()  # act
        """,
    )


def test_filled_in_by_the_one_that_created_it_is_silent():
    silent("""
        def visit(request, code):
            coupon, created = Coupon.objects.get_or_create(code=code, defaults={"limit": 3})
            if created:
                coupon.used += 1
                coupon.save()
        """)


def test_rows_counted_in_python():
    hit(
        "limited-use",
        """
        def comment(request, pk):
            notes = list(Note.objects.filter(job_id=pk))  # read
            if len(notes) >= 5:  # test
                return HttpResponse(status=409)
            Note.objects.create(job_id=pk, author=request.user, text="")  # act
        """,
    )


def test_rows_counted_in_python_for_the_answer_is_silent():
    silent("""
        def comment(request, pk):
            notes = list(Note.objects.filter(job_id=pk))
            Note.objects.create(job_id=pk, author=request.user, text="")
            return JsonResponse({"before": len(notes)})
        """)


def test_the_parent_of_no_rows_is_deleted():
    hit(
        "delete-after-check",
        """
        def tidy(request, pk):
            job = get_object_or_404(Job, pk=pk)
            if not job.notes.exists():  # read
                job.delete()  # act
        """,
    )


def test_the_parent_is_deleted_after_the_last_of_its_rows():
    hit(
        "delete-after-check",
        """
        def drop(request, pk):
            note = get_object_or_404(Note, pk=pk)
            job = note.job
            note.delete()
            if not Note.objects.filter(job=job).exists():  # read
                job.delete()  # act
        """,
    )


def test_the_locked_parent_of_no_rows_is_deleted_is_silent():
    silent("""
        @transaction.atomic
        def tidy(request, pk):
            job = Job.objects.select_for_update().get(pk=pk)
            if not job.notes.exists():
                job.delete()
        """)


def test_a_row_is_deleted_that_the_rows_asked_for_do_not_refer_to_is_silent():
    silent("""
        def tidy(request, pk):
            job = get_object_or_404(Job, pk=pk)
            if not Account.objects.filter(name=request.user.username).exists():
                job.delete()
        """)


def test_a_row_kept_by_a_cached_property():
    hit(
        "limited-use",
        """
        class Redemption:
            @cached_property
            def coupon(self):
                return Coupon.objects.get(code=self.code)

            def use(self):
                if self.coupon.used >= self.coupon.limit:
                    raise ValueError
                self.coupon.used += 1
                self.coupon.save()  # act
        """,
    )


def test_the_instance_of_a_serializer_counted_up():
    hit(
        "counter-increment",
        """
        from rest_framework import serializers

        class JobSerializer(serializers.ModelSerializer):
            class Meta:
                model = Job
                fields = ["status"]

            def save(self):
                self.instance.attempts = self.instance.attempts + 1
                self.instance.save()  # act
        """,
    )


def test_counted_first_and_tested_then():
    hit(
        "counter-increment",
        """
        def guess(request, code):
            coupon = Coupon.objects.get(code=code)  # read
            coupon.used += 1
            if coupon.used >= coupon.limit:
                coupon.code = "spent"
            coupon.save()  # act
        """,
    )


def test_room_left_and_not_done_yet_in_one_flag():
    hit(
        "limited-use",
        """
        def comment(request, pk):
            job = get_object_or_404(Job, pk=pk)
            closed = Note.objects.filter(job=job, text="closed").exists()
            room = not closed and Note.objects.filter(job=job).count() < job.attempts  # read
            if not room:  # test
                return HttpResponse(status=409)
            note = Note(job=job, author=request.user, text="")
            note.save()  # act
        """,
    )


def test_the_rows_of_a_many_to_many_field_are_gone():
    hit(
        "delete-after-check",
        """
        class Tag(models.Model):
            jobs = models.ManyToManyField(Job)

        def tidy(request, pk):
            tag = Tag.objects.get(pk=pk)
            if not tag.jobs.exists():  # read
                tag.delete()  # act
        """,
    )


RECEIVER = """
    from django.db.models.signals import post_save, pre_save
    from django.dispatch import receiver
    from .tasks import index

    @receiver(%s, sender=Job)
    def changed(sender, instance, **kwargs):
        index.delay(%s)
"""


def receiver_hits(signal: str, about: str, settings: str) -> list[str]:
    tree = application(RECEIVER % (signal, about), settings=settings, tasks="")
    return [each.check for each in hits_in(tree, VIEWS)]


def test_a_task_from_a_receiver_in_the_transaction_of_the_request():
    atomic = "DATABASES = {'default': {'ATOMIC_REQUESTS': True}}"
    assert receiver_hits("post_save", "instance.pk", atomic) == ["effect-before-commit"]
    assert receiver_hits("post_save", "instance.pk", "DATABASES = {'default': {}}") == []
    assert receiver_hits("post_save", "'nightly'", atomic) == []


def test_a_task_from_a_receiver_in_the_transaction_of_the_admin():
    def hits(admin: str, about: str) -> list[str]:
        tree = application(RECEIVER % ("post_save", about), tasks="", admin=admin)
        return [each.check for each in hits_in(tree, VIEWS)]

    assert hits("admin.site.register(models.Job, JobAdmin)", "instance.pk") == ["effect-before-commit"]
    assert hits("admin.site.register(models.Job, JobAdmin)", "'nightly'") == []
    assert hits("admin.site.register(models.Note)", "instance.pk") == []


def test_room_for_one_more_in_a_many_to_many_field():
    hit(
        "limited-use",
        """
        class Team(models.Model):
            people = models.ManyToManyField(User)
            size = models.IntegerField()

        def join(request, pk):
            team = Team.objects.get(pk=pk)
            if team.people.count() >= team.size:  # read
                return HttpResponse(status=409)
            team.people.add(request.user)  # act
        """,
    )


def test_added_where_other_rows_were_counted_is_silent():
    silent("""
        class Team(models.Model):
            people = models.ManyToManyField(User)

        def join(request, pk):
            team = Team.objects.get(pk=pk)
            if Note.objects.filter(author=request.user).count() < 3:
                return HttpResponse(status=403)
            team.people.add(request.user)
        """)


def test_a_signature_sent_before_the_commit():
    hit(
        "effect-before-commit",
        """
        from .tasks import index

        @transaction.atomic
        def comment(request, pk):
            note = Note.objects.create(job_id=pk, author=request.user, text="")  # read
            index.s(note.pk).delay()  # act
        """,
        tasks="",
    )
