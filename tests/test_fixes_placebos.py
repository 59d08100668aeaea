from fixing import code, marked

from analysis.source.fixes.placebos import placebos

VIEW = """
    from django.db import transaction
    from shop.models import Voucher


    def redeem(request, code):
        form = read(request)
        voucher = Voucher.objects.get(code=code)  #R
        if voucher.status == Voucher.USED:  #T
            return refuse("used")
        voucher.status = Voucher.USED
        voucher.save()  #A
        return answer(form)
"""
BODY = [
    "with transaction.atomic():",
    "voucher = Voucher.objects.get(code=code)",
    "if voucher.status == Voucher.USED:",
    'return refuse("used")',
    "voucher.status = Voucher.USED",
    "voucher.save()",
    "return answer(form)",
]


def bodies(text, function="redeem", model="Voucher"):
    """The lines of the function after its first statement, for each placebo."""
    case = marked(text, function, model=model)
    return {
        each.name: [
            line.strip()
            for line in each.files["shop/views.py"].split("read(request)\n")[1].split("\n")
            if line
        ]
        for each in placebos(case.tree, case.hit)
    }


def test_a_transaction_and_nothing_else():
    assert bodies(VIEW)["atomic_alone"] == BODY


def test_a_lock_that_is_never_asked_for():
    lock = "Voucher.objects.select_for_update().filter(pk=voucher.pk)"
    assert bodies(VIEW)["lock_unevaluated"] == [*BODY[:2], lock, *BODY[2:]]


def test_a_lock_after_the_check():
    lock = "Voucher.objects.select_for_update().get(pk=voucher.pk)"
    assert bodies(VIEW)["lock_after_check"] == [*BODY[:4], lock, *BODY[4:]]


def test_a_check_for_an_absent_row_has_a_lock_that_finds_nothing():
    text = """
        from shop.models import Redemption


        def redeem(request, voucher):
            form = read(request)
            if Redemption.objects.filter(voucher=voucher, user=form.user).exists():  #R
                return refuse("used")
            Redemption.objects.create(voucher=voucher, user=form.user)  #A
            return answer(form)
    """
    found = bodies(text, model="Redemption")
    assert found.keys() == {"atomic_alone", "lock_unevaluated"}
    lock = "Redemption.objects.select_for_update().filter(voucher=voucher, user=form.user)"
    assert found["lock_unevaluated"][1] == lock


def test_none_for_what_is_fixed_or_has_its_transaction():
    locked = VIEW.replace("objects.get", "objects.select_for_update().get").replace(
        "    def redeem", "    @transaction.atomic\n    def redeem"
    )
    assert bodies(locked) == {}
    atomic = VIEW.replace("    def redeem", "    @transaction.atomic\n    def redeem")
    assert "atomic_alone" not in bodies(atomic) and "lock_after_check" in bodies(atomic)


def test_says_that_nothing_changes():
    case = marked(code(VIEW), "redeem", model="Voucher")
    for each in placebos(case.tree, case.hit):
        assert "nothing changes" in each.loser
