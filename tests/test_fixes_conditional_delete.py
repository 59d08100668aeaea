import pytest
from fixing import code, marked

ACCEPT = """
    from django.shortcuts import get_object_or_404
    from shop.models import Redemption, Voucher


    def accept(request, pk):
        voucher = get_object_or_404(Voucher, pk=pk)  #R
        name = request.POST["name"]
        Redemption.objects.create(user=request.user, amount=3, note=voucher.note)
        voucher.delete()  #A
        return answer(name)
"""


def accept(text, model="Voucher", check="limited-use"):
    return marked(text, "accept", model=model, check=check)


def body(text):
    """The fixed body, without its indentation."""
    fixed = accept(text).fixed("conditional_delete")
    return [each.strip() for each in fixed.split("pk):\n")[1].split("\n") if each.strip()]


def test_the_delete_decides_before_anything_is_written():
    assert accept(ACCEPT).fixed("conditional_delete") == code("""
        from django.db import transaction
        from django.http import Http404
        from django.shortcuts import get_object_or_404
        from shop.models import Redemption, Voucher


        def accept(request, pk):
            voucher = get_object_or_404(Voucher, pk=pk)
            name = request.POST["name"]
            with transaction.atomic():
                deleted, _ = Voucher.objects.filter(pk=voucher.pk).delete()
                if not deleted:
                    raise Http404
                Redemption.objects.create(user=request.user, amount=3, note=voucher.note)
            return answer(name)
    """)


DELETED = ["deleted, _ = Voucher.objects.filter(pk=voucher.pk).delete()", "if not deleted:"]


def test_the_refusal_is_that_for_a_row_that_is_not_there():
    read = "voucher = get_object_or_404(Voucher, pk=pk)  #R\n"
    caught = """try:
            voucher = Voucher.objects.get(pk=pk)  #R
        except Voucher.DoesNotExist:
            tell(pk)
            return refuse("gone")
"""
    asked = """voucher = Voucher.objects.filter(pk=pk).first()  #R
        if voucher is None:
            return refuse("gone")
"""
    for text, refusal in (
        (caught, ["tell(pk)", 'return refuse("gone")']),
        (asked, ['return refuse("gone")']),
    ):
        lines = body(ACCEPT.replace(read, text))
        at = lines.index(DELETED[0])
        assert lines[at : at + 2 + len(refusal)] == [*DELETED, *refusal]


def test_a_check_by_exists_and_a_get_are_one_read():
    text = """
        from shop.models import Voucher


        def accept(request, pk):
            # it may be gone
            if not Voucher.objects.filter(pk=pk).exists():  #R
                return refuse("gone")
            voucher = Voucher.objects.get(pk=pk)  # the row  #A
            voucher.delete()  # for good
            return answer(voucher)
    """
    assert body(text) == [
        "# it may be gone",
        "voucher = Voucher.objects.filter(pk=pk).first()  # the row",
        "if voucher is None:",
        'return refuse("gone")',
        "deleted, _ = Voucher.objects.filter(pk=voucher.pk).delete()  # for good",
        "if not deleted:",
        'return refuse("gone")',
        "return answer(voucher)",
    ]
    locked = accept(text, check="delete-after-check").fixed("lock_row")
    assert "voucher = Voucher.objects.select_for_update().filter(pk=pk).first()  # the row\n" in locked
    other = text.replace("get(pk=pk)", "get(code=pk)")
    assert "may be no row" in accept(other).reason("lock_row")
    assert "one row that was read" in accept(other).reason("conditional_delete")


GET = """
    from shop.models import Voucher


    def accept(request, pk):
        Voucher.objects.get(pk=pk).delete()  #RA
"""


def test_what_is_got_only_to_be_deleted_may_be_gone():
    assert body(GET) == ["Voucher.objects.filter(pk=pk).delete()"]
    assert body(GET.replace("objects.get", "objects.select_for_update().get")) == [
        "voucher = Voucher.objects.select_for_update().filter(pk=pk).first()",
        "if voucher is not None:",
        "voucher.delete()",
    ]
    case = accept(GET.replace(".delete()", ".spoil()"), check="delete-after-check")
    assert "the row is gone by then" in case.reason("lock_row")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("get_object_or_404(Voucher, pk=pk)", "Voucher.objects.get(pk=pk)", "nothing is answered"),
        ("note=voucher.note", "voucher=voucher", "may refer to `voucher`"),
        ("voucher.delete()", "drop(voucher)", "no plain `voucher.delete()`"),
        (
            "get_object_or_404(Voucher, pk=pk)",
            "get_object_or_404(Voucher.objects.select_for_update(), pk=pk)",
            "locked",
        ),
    ],
)
def test_is_not_offered(old, new, why):
    assert old in ACCEPT
    assert why in accept(ACCEPT.replace(old, new)).reason("conditional_delete")


def test_is_not_offered_where_the_model_deletes_in_its_own_way():
    text = ACCEPT.replace("Voucher", "Coupon")
    own = (
        "from django.db import models\n\n\nclass Coupon(models.Model):\n    def delete(self):\n        pass\n"
    )
    case = marked(text, "accept", model="Coupon", shop__coupons=own)
    assert "delete() of its own" in case.reason("conditional_delete")
