"""Shapes whose two halves lie apart: in a hook, a form, a model's own limit, a caller. More twins than hits."""

from textwrap import dedent

from analysis.source import hits_in
from tests.shapes import Text, hit, silent


def test_a_reverse_one_to_one_is_asked_for_by_hasattr():
    hit(
        "check-then-insert",
        """
        def complete(request, pk):
            job = Job.objects.get(pk=pk)
            if hasattr(job, "completion"):  # read test
                return job.completion
            return Completion.objects.create(job=job, result="")  # act
        """,
    )


def test_hasattr_of_something_else_is_silent():
    silent("""
        def complete(request, pk):
            job = Job.objects.get(pk=pk)
            if hasattr(request, "completion"):
                return None
            return Completion.objects.create(job=job, result="")
        """)


def test_a_hook_that_subclasses_fill_in_is_a_look_up():
    hit(
        "check-then-insert",
        """
        class Uploads:
            def retrieve(self, data):
                return None

            def create(self, data):
                note = self.retrieve(data)  # read
                if note is None:  # test
                    note = Note.objects.create(**data)  # act
                return note
        """,
    )


def test_a_hook_with_another_purpose_is_silent():
    silent("""
        class Uploads:
            def prepare(self, data):
                return None

            def create(self, data):
                if self.prepare(data) is None:
                    return Note.objects.create(**data)
        """)


def test_a_row_is_given_a_value_that_no_row_had():
    hit(
        "check-then-insert",
        """
        def renumber(request, pk):
            account = Account.objects.get(pk=pk)
            number = request.POST["number"]
            if Account.objects.filter(number=number).exists():  # read test
                return HttpResponse(status=409)
            account.number = number
            account.save(update_fields=["number"])  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_row_is_given_another_value_than_the_one_that_was_looked_up():
    silent("""
        def renumber(request, pk):
            account = Account.objects.get(pk=pk)
            if Account.objects.filter(number="closed").exists():
                return HttpResponse(status=409)
            account.name = request.POST["name"]
            account.save(update_fields=["name"])
            return HttpResponse(status=200)
        """)


def test_a_row_is_given_a_value_and_the_conflict_is_answered():
    silent("""
        def renumber(request, pk):
            account = Account.objects.get(pk=pk)
            number = request.POST["number"]
            if Account.objects.filter(number=number).exists():
                return HttpResponse(status=409)
            account.number = number
            try:
                account.save(update_fields=["number"])
            except IntegrityError:
                return HttpResponse(status=409)
            return HttpResponse(status=200)
        """)


def test_the_last_to_count_is_told_by_another_statement():
    hit(
        "counter-increment",
        """
        def done(request, pk):
            Job.objects.filter(pk=pk).update(attempts=F("attempts") + 1)
            job = Job.objects.get(pk=pk)  # read
            if job.attempts == 3:  # test
                Note.objects.create(job=job, author=request.user, text="all done")  # act
        """,
    )


def test_the_last_to_count_is_told_under_a_lock():
    silent("""
        @transaction.atomic
        def done(request, pk):
            job = Job.objects.select_for_update().get(pk=pk)
            Job.objects.filter(pk=pk).update(attempts=F("attempts") + 1)
            job = Job.objects.get(pk=pk)
            if job.attempts == 3:
                Note.objects.create(job=job, author=request.user, text="all done")
        """)


FORMS = """
    from django import forms
    from .models import Vote

    class VoteForm(forms.ModelForm):
        class Meta:
            model = Vote
            fields = ["value"]

        def save(self, user, job):
            self.instance.user = user
            self.instance.job = job
            return super().save()
    """


def in_forms(text: str) -> list[tuple[str, str]]:
    tree = Text({"shop/models.py": MODELS_OF_VOTES, "shop/forms.py": dedent(text)})
    return [(each.check, each.function) for each in hits_in(tree, "shop/forms.py")]


MODELS_OF_VOTES = dedent("""
    from django.db import models

    class Vote(models.Model):
        user = models.ForeignKey("auth.User", on_delete=models.CASCADE)
        job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE)
        value = models.IntegerField()

        class Meta:
            unique_together = [("user", "job")]
    """)


def test_a_form_fills_in_a_unique_pair_that_it_does_not_validate():
    assert in_forms(FORMS) == [("check-then-insert", "VoteForm.save")]


def test_a_form_that_answers_the_conflict_is_silent():
    caught = FORMS.replace(
        "return super().save()",
        "try:\n                return super().save()\n            except Exception:\n                return None",
    )
    assert caught != FORMS
    assert in_forms(caught) == []


def test_a_form_that_fills_in_one_column_of_the_pair_is_silent():
    assert in_forms(FORMS.replace("self.instance.job = job", "pass")) == []


LIMITED = """
    from django.db import models, transaction

    class Voucher(models.Model):
        code = models.CharField(max_length=9)

        def is_available(self):
            return self.uses.count() < 3

    class Use(models.Model):
        voucher = models.ForeignKey(Voucher, related_name="uses", on_delete=models.CASCADE)
        order = models.IntegerField()

    def record(voucher: Voucher, order):
        voucher.uses.create(order=order)
    """


def in_vouchers(text: str) -> list[tuple[str, str]]:
    tree = Text({"shop/vouchers.py": dedent(text)})
    return [(each.check, each.function) for each in hits_in(tree, "shop/vouchers.py")]


def test_one_more_use_of_what_the_model_limits():
    assert in_vouchers(LIMITED) == [("limited-use", "record")]


def test_one_more_row_of_what_the_model_only_counts_is_silent():
    assert in_vouchers(LIMITED.replace("is_available", "summary")) == []


def test_one_more_use_under_the_lock_that_every_caller_takes():
    callers = """
    def place(pk, order):
        with transaction.atomic():
            voucher = Voucher.objects.select_for_update().get(pk=pk)
            if voucher.is_available():
                record(voucher, order)
    """
    assert in_vouchers(LIMITED + callers) == []
    assert in_vouchers(LIMITED + callers.replace(".select_for_update()", "")) != []


def test_a_lock_that_its_block_let_go_before_the_call_is_none():
    released = """
    def place(pk, order):
        with transaction.atomic():
            voucher = Voucher.objects.select_for_update().get(pk=pk)
        record(voucher, order)
    """
    nested = """
    @transaction.atomic
    def place(pk, order):
        with transaction.atomic():
            voucher = Voucher.objects.select_for_update().get(pk=pk)
        record(voucher, order)
    """
    assert ("limited-use", "record") in in_vouchers(LIMITED + released)
    assert in_vouchers(LIMITED + nested) == []
    assert in_vouchers(LIMITED + nested.replace("@transaction.atomic", "@functools.cache")) != []


def test_a_user_that_was_just_made_is_nobody_elses():
    silent("""
        from django.contrib.auth.models import User

        def sign_up(request):
            user = User(username=request.POST["name"])
            user.save()
            user.first_name = request.POST["first"]
            user.save()
        """)


PAY_VIEW = """
    from django.views.generic import CreateView
    from .forms import PaymentForm

    class PayView(CreateView):
        form_class = PaymentForm

        def form_valid(self, form):
            self.account.balance -= form.cleaned_data["amount"]
            self.account.save()  # act
            return HttpResponse()
"""


def test_a_form_of_another_module_that_decides_is_named_by_its_own_lines():
    """The framework calls it: no line of the view does, and the form's line number in the view's file is another's."""
    hit(
        "limited-use",
        PAY_VIEW,
        forms='''
        from django import forms
        from .models import Account, Invoice

        class PaymentForm(forms.ModelForm):
            class Meta:
                model = Invoice
                fields = ["number"]

            def clean_number(self):
                """What the account cannot pay is refused."""
                amount = self.cleaned_data["amount"]  # read
                if self.account.balance < amount:  # test
                    raise forms.ValidationError("too much")
                return amount
        ''',
    )
