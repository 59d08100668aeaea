"""What forms and serializers ask in their validation, and what is saved on its word."""

from tests.shapes import hit, silent

FORM = """
    from django import forms
    from .models import Job, Note

    class NoteForm(forms.ModelForm):
        class Meta:
            model = Note
            fields = ["job", "text"]

        def clean(self):
            if %s:
                raise forms.ValidationError("refused")
            return self.cleaned_data
"""


def test_a_limit_in_the_validation_of_a_serializer():
    hit(
        "limited-use",
        """
        from rest_framework import serializers

        class NoteSerializer(serializers.ModelSerializer):
            class Meta:
                model = Note
                fields = ["job", "text"]

            def validate(self, data):
                if Note.objects.filter(job=data["job"]).count() >= 5:  # read
                    raise serializers.ValidationError("full")
                return data  # act
        """,
    )


def test_validation_by_what_a_constraint_holds_is_silent():
    silent("""
        from rest_framework import serializers

        class AccountSerializer(serializers.ModelSerializer):
            class Meta:
                model = Account
                fields = ["number"]

            def validate_number(self, number):
                if Account.objects.filter(number=number).exists():
                    raise serializers.ValidationError("taken")
                return number
        """)


def test_the_view_saves_what_its_form_has_validated():
    hit(
        "check-then-insert",
        """
        from .forms import NoteForm

        def comment(request):
            form = NoteForm(request.POST)
            if form.is_valid():  # read
                note = form.save(commit=False)
                note.author = request.user
                note.save()  # act
        """,
        forms=FORM % "Note.objects.filter(job=self.cleaned_data['job']).exists()",
    )


def test_a_form_that_asks_about_other_rows_is_silent():
    silent(
        """
        from .forms import NoteForm

        def comment(request):
            form = NoteForm(request.POST)
            if form.is_valid():
                note = form.save(commit=False)
                note.author = request.user
                note.save()
        """,
        forms=FORM % "not Job.objects.filter(pk=self.cleaned_data['job']).exists()",
    )
