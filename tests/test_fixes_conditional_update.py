import pytest
from fixing import code, marked


def view(guard, *between, model="Voucher", save="voucher.save()", refusal='return refuse("no")', after=()):
    """A view that reads a row, checks it, changes it, saves it."""
    lines = [
        f"from shop.models import {model}",
        "",
        "",
        "def redeem(request, code):",
        f"    voucher = {model}.objects.get(code=code)  #R",
        f"    if {guard}:  #T",
        f"        {refusal}",
        *(f"    {each}" for each in between),
        f"    {save}  #A",
        *(f"    {each}" for each in after),
        "    return answer(request)",
    ]
    return marked("\n".join(lines), "redeem", model=model)


def statements(case):
    """The fixed function from the guard's end on, without its indentation."""
    lines = case.fixed("conditional_update").split("\n")
    start = next(index for index, each in enumerate(lines) if each.strip().startswith("if ")) + 2
    return [each.strip() for each in lines[start:] if each.strip()]


def joined(case):
    """All that is between the first `filter(` and `.update(`, as on one line."""
    text = " ".join(statements(case))
    return (
        text[text.index("objects") : text.index("update(")]
        .replace("( ", "(")
        .replace(" )", ")")
        .replace(" .", ".")
    )


def test_the_condition_goes_into_the_update_and_the_refusal_is_repeated():
    case = view(
        "voucher.status != Voucher.OPEN", "voucher.status = Voucher.USED", "voucher.note = text(request)"
    )
    assert case.fixed("conditional_update") == code("""
        from shop.models import Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)
            if voucher.status != Voucher.OPEN:
                return refuse("no")
            voucher.status = Voucher.USED
            voucher.note = text(request)
            updated = Voucher.objects.filter(pk=voucher.pk, status=Voucher.OPEN).update(
                status=Voucher.USED, note=voucher.note
            )
            if not updated:
                return refuse("no")
            return answer(request)
    """).rstrip("\n")


def test_what_is_written_after_it_is_in_the_same_transaction():
    case = view(
        "voucher.status != Voucher.OPEN",
        "voucher.status = Voucher.USED",
        after=["", "# for the books", "Redemption.objects.create(voucher=voucher, user=request.user)"],
    )
    assert case.fixed("conditional_update").split("USED\n", 1)[1] == (
        "    with transaction.atomic():\n"
        "        updated = Voucher.objects.filter(pk=voucher.pk, status=Voucher.OPEN).update(\n"
        "            status=Voucher.USED\n"
        "        )\n"
        "        if not updated:\n"
        '            return refuse("no")\n'
        "\n"
        "        # for the books\n"
        "        Redemption.objects.create(voucher=voucher, user=request.user)\n"
        "    return answer(request)"
    )


@pytest.mark.parametrize(
    ("guard", "condition"),
    [
        ("voucher.status == Voucher.USED", "filter(pk=voucher.pk).exclude(status=Voucher.USED)."),
        ("voucher.status in DONE", "filter(pk=voucher.pk).exclude(status__in=DONE)."),
        ("voucher.status not in FRESH", "filter(pk=voucher.pk, status__in=FRESH)."),
        ("voucher.used >= voucher.limit", 'filter(pk=voucher.pk, used__lt=F("limit")).'),
        ("0 > voucher.used", "filter(pk=voucher.pk, used__gte=0)."),
        ("not voucher.active", "filter(pk=voucher.pk, active=True)."),
        ("voucher.active", "filter(pk=voucher.pk, active=False)."),
        ("voucher.used_at", "filter(pk=voucher.pk, used_at__isnull=True)."),
        ("voucher.used_at is not None", "filter(pk=voucher.pk, used_at__isnull=True)."),
        ("voucher.owner_id is None", "filter(pk=voucher.pk, owner_id__isnull=False)."),
        ("voucher.owner != request.user", "filter(pk=voucher.pk, owner=request.user)."),
        ("voucher.note", 'filter(pk=voucher.pk, note="").'),
        (
            "voucher.status == Voucher.USED or voucher.used > 3",
            "filter(pk=voucher.pk, used__lte=3).exclude(status=Voucher.USED).",
        ),
        (
            "not (voucher.active and voucher.status == Voucher.OPEN)",
            "filter(pk=voucher.pk, active=True, status=Voucher.OPEN).",
        ),
    ],
)
def test_the_condition_is_the_opposite_of_the_check(guard, condition):
    assert joined(view(guard, "voucher.status = 'used'")) == f"objects.{condition}"


@pytest.mark.parametrize(
    ("guard", "reason"),
    [
        ("voucher.active and voucher.used > 3", "either of two conditions"),
        ("voucher.spoilt", "`voucher.spoilt` is not a column of Voucher"),
        ("voucher.owner.is_staff", "no comparison of a column"),
        ("voucher.used + 1 > voucher.limit", "computes with the row"),
        ("is_used(voucher)", "no comparison"),
        ("voucher.used > limit_of(voucher)", "computes with the row"),
    ],
)
def test_a_check_that_is_no_comparison_of_columns_is_left_alone(guard, reason):
    assert reason in view(guard, "voucher.status = 'used'").reason("conditional_update")


def test_a_counter_is_counted_by_the_database_and_read_again():
    assert statements(view("voucher.used >= voucher.limit", "voucher.used += n or 1")) == [
        "voucher.used += n or 1",
        'updated = Voucher.objects.filter(pk=voucher.pk, used__lt=F("limit")).update(',
        'used=F("used") + (n or 1)',
        ")",
        "if not updated:",
        'return refuse("no")',
        'voucher.refresh_from_db(fields=["used"])',
        "return answer(request)",
    ]


def test_auto_now_is_set_as_save_would():
    case = view("voucher.hits > 3", "voucher.title = title", model="Page")
    assert statements(case)[1:4] == [
        "voucher.updated_at = timezone.now()",
        "updated = Page.objects.filter(pk=voucher.pk, hits__lte=3).update(",
        "title=title, updated_at=voucher.updated_at",
    ]
    assert "from django.utils import timezone\n" in case.fixed("conditional_update")


def test_a_refusal_that_shows_the_row_reads_it_again():
    case = view(
        "voucher.status != 'open'",
        "voucher.status = 'used'",
        refusal="raise Refused(f'it is {voucher.status}')",
    )
    assert statements(case)[-4:] == [
        "if not updated:",
        "voucher.refresh_from_db()",
        "raise Refused(f'it is {voucher.status}')",
        "return answer(request)",
    ]


def test_a_row_that_the_caller_holds_is_read_again_when_it_is_refused():
    case = marked(
        """
        from django.db import models


        class Pass(models.Model):
            used = models.IntegerField()
            limit = models.IntegerField()

            def redeem(self):
                if self.used >= self.limit:  #RT
                    raise ValueError("used up")
                self.used += 1
                self.save(update_fields=["used"])  #A
        """,
        "Pass.redeem",
        model="Pass",
        path="shop/passes/models.py",
    )
    assert case.fixed("conditional_update").split("self.used += 1\n")[1] == (
        '        updated = Pass.objects.filter(pk=self.pk, used__lt=models.F("limit")).update(\n'
        '            used=models.F("used") + 1\n'
        "        )\n"
        "        if not updated:\n"
        "            self.refresh_from_db()\n"
        '            raise ValueError("used up")\n'
        '        self.refresh_from_db(fields=["used"])\n'
    )


def test_update_fields_bounds_what_is_written():
    case = view(
        "voucher.status != 'open'",
        "voucher.status = 'used'",
        "voucher.note = 'not saved'",
        save='voucher.save(update_fields=["status"])',
    )
    assert ".update(status='used')" in " ".join(statements(case)).replace("( ", "(").replace(" )", ")")


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (["setattr(voucher, name, 1)"], "`setattr` is handed the row"),
        (["unknown(voucher)"], "`unknown` is handed the row"),
        (["voucher.spoil()"], "`voucher.spoil()` may change the row"),
        (["voucher.note = voucher.note + 'x' * 3 + voucher.code"], "computed from the row"),
        (["pass"], "no column of the row is assigned"),
        (["voucher.note = 'x'", "Review.objects.create(voucher=voucher)"], "would not take it back"),
    ],
)
def test_is_not_offered_where_what_is_written_is_not_plain(between, reason):
    assert reason in view("voucher.status != 'open'", *between).reason("conditional_update")


def test_a_method_that_only_reads_does_not_stand_in_the_way():
    case = view("voucher.status != 'open'", "log(voucher.label())", "voucher.status = 'used'")
    assert "update(" in " ".join(statements(case))


def test_a_function_of_the_repository_that_only_reads_does_not_stand_in_the_way():
    text = """
        from shop.models import Voucher
        from shop.seals import seal, spoil


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status != "open":  #T
                return refuse("no")
            note = seal(voucher)
            voucher.note = note
            voucher.save()  #A
    """
    seals = "def seal(row):\n    return row.code\n\ndef spoil(row):\n    row.used = 3\n"
    reads = marked(text, "redeem", model="Voucher", shop__seals=seals)
    assert ".update(\n" in reads.fixed("conditional_update") or ".update(note=note)" in reads.fixed(
        "conditional_update"
    )
    writes = marked(text.replace("= seal(", "= spoil("), "redeem", model="Voucher", shop__seals=seals)
    assert "`spoil` is handed the row" in writes.reason("conditional_update")


def test_is_not_offered_where_save_does_more():
    assert "save() of its own" in view("voucher.taken", "voucher.taken = True", model="Ticket").reason(
        "conditional_update"
    )
    text = """
        from shop.models import Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status != "open":  #T
                return refuse("no")
            voucher.status = "used"
            voucher.save()  #A
    """
    listener = "@receiver(post_save, sender=Voucher)\ndef tell(**kwargs):\n    pass\n"
    case = marked(text, "redeem", model="Voucher", shop__signals=listener)
    assert "shop/signals.py listens" in case.reason("conditional_update")
    assert ".update(" in marked(text, "redeem", model="Voucher").fixed("conditional_update")


def test_is_not_offered_without_a_check_that_refuses():
    text = """
        from shop.models import Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status == "open":  #T
                voucher.status = "used"
                voucher.save()  #A
    """
    assert "does not refuse" in marked(text, "redeem", model="Voucher").reason("conditional_update")


def test_a_fixed_function_gets_no_proposal():
    case = marked(
        """
        from shop.models import Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status != "open":  #T
                return refuse("no")
            updated = Voucher.objects.filter(pk=voucher.pk, status="open").update(status="used")  #A
            if not updated:
                return refuse("no")
            return answer(voucher)
        """,
        "redeem",
        model="Voucher",
    )
    for name in ("conditional_update", "lock_row"):
        assert "its count is looked at" in case.reason(name)


GUARDED = """
    from django.shortcuts import get_object_or_404
    from shop.models import Voucher


    def redeem(request, code):
        voucher = get_object_or_404(Voucher, code=code, status=Voucher.OPEN)  #R
        voucher.status = Voucher.USED
        voucher.save()  #A
        return answer(voucher)
"""


def test_a_read_that_asks_for_the_state_is_the_check():
    fixed = marked(GUARDED, "redeem", model="Voucher").fixed("conditional_update")
    lines = [each.strip() for each in fixed.partition("USED\n")[2].split("\n")]
    assert "".join(lines[:3]) == (
        "updated = Voucher.objects.filter(pk=voucher.pk, status=Voucher.OPEN).update(status=Voucher.USED)"
    )
    assert lines[3:] == ["if not updated:", "raise Http404", "return answer(voucher)", ""]
    assert "from django.http import Http404\n" in fixed


def test_the_answer_for_a_row_that_is_not_there_is_given_to_the_loser_too():
    first = (
        "Voucher.objects.filter(code=code, status=Voucher.OPEN).first()  #R\n        if voucher is None:\n"
    )
    text = GUARDED.replace(
        "get_object_or_404(Voucher, code=code, status=Voucher.OPEN)  #R\n",
        f'{first}            return refuse("used")\n',
    )
    fixed = marked(text, "redeem", model="Voucher").fixed("conditional_update")
    assert fixed.count('return refuse("used")') == 2 and "filter(pk=voucher.pk, status=Voucher.OPEN)" in fixed


def test_a_read_that_asks_for_nothing_that_changes_is_no_check():
    text = GUARDED.replace("status=Voucher.OPEN", "active=True")
    assert "nothing is checked" in marked(text, "redeem", model="Voucher").reason("conditional_update")
