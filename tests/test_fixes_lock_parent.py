from fixing import MODELS, code, marked

COUNT = """
    from shop.models import Voucher


    def redeem(request, code):
        form = read(request)
        voucher = get_object_or_404(Voucher, code=code)
        if voucher.redemptions.count() >= voucher.limit:  #R
            return refuse("used up")
        voucher.redemptions.create(user=request.user)  #A
        return answer(form)
"""
NUMBER = """
    from shop.models import Redemption


    def redeem(request, voucher_id):
        last = Redemption.objects.filter(voucher_id=voucher_id).aggregate(last=Max("amount"))["last"]  #R
        return Redemption.objects.create(voucher_id=voucher_id, user=request.user, amount=(last or 0) + 1)  #A
"""


def redeem(text, **others):
    return marked(text, "redeem", model="Redemption", **others)


def test_a_row_that_is_read_anyway_is_locked_where_it_is_read():
    assert redeem(COUNT).fixed("lock_parent") == code("""
        from django.db import transaction

        from shop.models import Voucher


        def redeem(request, code):
            form = read(request)
            with transaction.atomic():
                voucher = get_object_or_404(Voucher.objects.select_for_update(), code=code)
                if voucher.redemptions.count() >= voucher.limit:
                    return refuse("used up")
                voucher.redemptions.create(user=request.user)
            return answer(form)
    """)


def test_a_row_that_is_only_named_is_locked_by_its_key():
    assert redeem(NUMBER).fixed("lock_parent") == code("""
        from django.db import transaction

        from shop.models import Redemption, Voucher


        @transaction.atomic
        def redeem(request, voucher_id):
            Voucher.objects.select_for_update().get(pk=voucher_id)
            last = Redemption.objects.filter(voucher_id=voucher_id).aggregate(last=Max("amount"))["last"]
            return Redemption.objects.create(voucher_id=voucher_id, user=request.user, amount=(last or 0) + 1)
    """)


def test_an_absent_row_is_locked_by_what_it_would_belong_to():
    text = """
        from shop.models import Redemption


        def redeem(user, voucher):
            found = Redemption.objects.filter(user=user, voucher=voucher).first()  #R
            if found is None:  #T
                found = Redemption.objects.create(user=user, voucher=voucher)  #A
            return found
    """
    assert "    Voucher.objects.select_for_update().get(pk=voucher.pk)\n    found = " in redeem(text).fixed(
        "lock_parent"
    )


def test_a_query_set_in_a_variable_is_looked_through():
    text = """
        from shop.models import Redemption


        def redeem(request, voucher_id):
            mine = Redemption.objects.filter(voucher_id=voucher_id)
            last = mine.aggregate(last=Max("amount"))["last"]  #R
            return Redemption.objects.create(voucher_id=voucher_id, amount=(last or 0) + 1)  #A
    """
    lines = [line.strip() for line in redeem(text).fixed("lock_parent").split("\n")]
    at = lines.index("Voucher.objects.select_for_update().get(pk=voucher_id)")
    assert lines[at + 1].startswith("last = mine.aggregate(")
    twice = text.replace("            last = mine", "            mine = mine.all()\n            last = mine")
    assert "not written in one place" in redeem(twice).reason("lock_parent")


def test_is_not_offered_for_a_row_with_a_lock_of_its_own():
    text = """
        from shop.models import Redemption, Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.used:  #T
                return refuse()
            Redemption.objects.create(voucher=voucher, user=request.user)  #A
    """
    assert "own lock is enough" in redeem(text).reason("lock_parent")


def test_is_not_offered_without_a_foreign_key():
    text = NUMBER.replace("filter(voucher_id=voucher_id)", "filter(amount=3)")
    assert "no foreign key" in redeem(text).reason("lock_parent")


def test_is_not_offered_where_the_parent_is_locked():
    text = COUNT.replace(
        "get_object_or_404(Voucher, code", "get_object_or_404(Voucher.objects.select_for_update(), code"
    )
    assert "no foreign key" in redeem(text, shop__models=MODELS).reason("lock_parent")


def test_a_parent_that_is_read_on_another_way_is_not_locked():
    text = """
        from django.shortcuts import get_object_or_404
        from shop.models import Voucher


        def redeem(request, code):
            if request.known:
                voucher = Voucher.objects.get(code=code)
                return tell(voucher)
            if voucher.redemptions.count() >= 3:  #R
                return refuse("used up")
            voucher.redemptions.create(user=request.user)  #A
    """
    case = marked(text, "redeem", model="Redemption")
    assert "foreign key" in case.reason("lock_parent")
    always = text.replace(
        "if request.known:\n                voucher", "if True:\n                pass\n            voucher"
    )
    always = always.replace("                return tell(voucher)\n", "")
    assert "select_for_update().get(code=code)" in marked(always, "redeem", model="Redemption").fixed(
        "lock_parent"
    )


def test_the_class_is_imported_as_the_file_imports_from_its_models():
    text = """
        from .models import Review


        def review(request, voucher_id):
            if Review.objects.filter(voucher_id=voucher_id).exists():  #R
                return refuse()
            Review.objects.create(voucher_id=voucher_id)  #A
    """
    fixed = marked(text, "review", model="Review").fixed("lock_parent")
    assert "from .models import Review, Voucher\n" in fixed
    package = text.replace(".models", "shop.parts")
    texts = {"shop__parts__seats": SEATS}
    case = marked(
        package.replace("Review", "Seat").replace("voucher", "row"), "review", model="Seat", **texts
    )
    case.tree.texts["shop/parts/__init__.py"] = "from .seats import Row, Seat\n"
    assert "from shop.parts import Row, Seat\n" in case.fixed("lock_parent")


SEATS = """from django.db import models


class Row(models.Model):
    pass


class Seat(models.Model):
    row = models.ForeignKey(Row, on_delete=models.CASCADE)
"""
