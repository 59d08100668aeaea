"""Inserts after an absence: asked for twice, and handlers of the conflict that handle none."""

from textwrap import dedent

from tests.shapes import hit, silent

MAKER = """
        def make(job, text):
            try:
                return Note.objects.get(job=job, text=text)
            except Note.DoesNotExist:
                return Note.objects.create(job=job, text=text)  # act
"""


def test_asked_for_by_the_caller_and_again_by_what_it_calls():
    hit(
        "check-then-insert",
        """
        from .making import make

        def receive(request, pk):
            job = Job.objects.get(pk=pk)
            if Note.objects.filter(job=job, text="in").exists():  # read test
                return HttpResponse()
            make(job, "in")
            send_mail("received")
        """,
        making="from .models import Note\n" + dedent(MAKER),
    )


def test_asked_for_only_by_what_is_called_is_its_own_affair():
    silent(
        """
        from .making import make

        def receive(request, pk):
            job = Job.objects.get(pk=pk)
            if request.POST["text"] == "in":
                return HttpResponse()
            make(job, "in")
            send_mail("received")
        """,
        making="from .models import Note\n" + dedent(MAKER),
    )


def test_asked_for_twice_and_the_conflict_is_caught_is_silent():
    silent(
        """
        from .making import make

        def receive(request, pk):
            job = Job.objects.get(pk=pk)
            if Vote.objects.filter(job=job, user=request.user).exists():
                return HttpResponse()
            try:
                make(job, request.user)
            except IntegrityError:
                pass
        """,
        making="""
        from .models import Vote

        def make(job, user):
            try:
                return Vote.objects.get(job=job, user=user)
            except Vote.DoesNotExist:
                return Vote.objects.create(job=job, user=user, value=1)
        """,
    )


NUMBERED = """
        def number(request, text):
            try:
                try:
                    return Account.objects.get(number=text)  # read
                except Account.DoesNotExist:
                    return Account.objects.create(number=text, balance=0, name="")  # act
            except %s as error:
                logger.exception("no account")
                raise Broken(text) from error
"""


def test_every_error_of_the_database_turned_into_another_handles_no_conflict():
    hit("get-except-create", NUMBERED % "DatabaseError")


def test_the_conflict_turned_into_an_answer_is_silent():
    silent(NUMBERED % "IntegrityError")
    silent(NUMBERED.replace("raise Broken(text) from error", "return None") % "DatabaseError")
