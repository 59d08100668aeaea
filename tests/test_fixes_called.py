"""Reads and checks that lie in a function, or a property, which the hit's function calls."""

from dataclasses import replace

from fixing import Case, code, marked

from analysis.source.hits import Place

VIEW = """
    from shop.lookups import voucher_of
    from shop.models import Voucher


    def redeem(request, code):
        form = read(request)
        voucher = voucher_of(code)  #R
        if voucher.status == Voucher.USED:  #T
            return refuse("used")
        voucher.status = Voucher.USED
        voucher.save()  #A
        return answer(form)
"""
LOOKUPS = """from shop.models import Voucher


def voucher_of(code):
    return Voucher.objects.get(code=code)
"""


def case(text=VIEW, path="shop/lookups.py", line=5, **others):
    found = marked(text, "redeem", model="Voucher", **{"shop__lookups": LOOKUPS, **others})
    return Case(found.tree, replace(found.hit, reads=(found.hit.read, Place(path, line))))


def test_the_lock_goes_where_the_row_is_read_and_the_transaction_around_the_call():
    found = case().offered("lock_row")
    assert found.files["shop/lookups.py"] == LOOKUPS.replace("objects.get", "objects.select_for_update().get")
    assert found.files["shop/views.py"] == code("""
        from django.db import transaction

        from shop.lookups import voucher_of
        from shop.models import Voucher


        def redeem(request, code):
            form = read(request)
            with transaction.atomic():
                voucher = voucher_of(code)
                if voucher.status == Voucher.USED:
                    return refuse("used")
                voucher.status = Voucher.USED
                voucher.save()
            return answer(form)
    """)


def test_a_function_of_the_same_file():
    text = VIEW.replace("    from shop.lookups import voucher_of\n", "") + (
        "\n\n    def voucher_of(code):\n        return Voucher.objects.get(code=code)\n"
    )
    fixed = case(text, "shop/views.py", 15).fixed("lock_row")
    assert "def voucher_of(code):\n    return Voucher.objects.select_for_update().get(code=code)\n" in fixed
    assert "    with transaction.atomic():\n        voucher = voucher_of(code)\n" in fixed


def test_a_function_that_others_call_too_is_left_alone():
    other = "from shop.lookups import voucher_of\n\ndef look(request):\n    return voucher_of(3)\n"
    assert "2 places call it" in case(shop__other=other).reason("lock_row")
    assert case(shop__tests=other).fixed("lock_row")  # a test may call it: it is not in production


def test_a_read_further_away_is_left_alone():
    found = case()
    far = Case(
        found.tree, replace(found.hit, reads=(found.hit.read, found.hit.read, Place("shop/lookups.py", 5)))
    )
    assert "2 calls away" in far.reason("lock_row")


def test_a_check_through_a_property_is_a_condition_on_its_columns():
    text = """
        from django.db import models


        class Pass(models.Model):
            used = models.IntegerField()
            limit = models.IntegerField()

            @property
            def is_spent(self):
                '''No use is left.'''
                return self.used >= self.limit

            def redeem(self):
                if self.is_spent:  #RT
                    raise ValueError("used up")
                self.used += 1
                self.save()  #A
    """
    found = marked(text, "Pass.redeem", model="Pass", path="shop/passes/models.py")
    assert 'filter(pk=self.pk, used__lt=models.F("limit"))' in found.fixed("conditional_update")
    assert "`used` is checked" in found.reason("f_expression")
    longer = text.replace("return self.used >= self.limit", "n = 3\n                return self.used >= n")
    found = marked(longer, "Pass.redeem", model="Pass", path="shop/passes/models.py")
    assert "`self.is_spent` is not a column" in found.reason("conditional_update")


def test_a_row_that_a_called_function_reads_is_saved_by_its_columns():
    text = """
        from shop.lookups import voucher_of


        def rename(request, code):
            voucher, editable = voucher_of(code)  #R
            voucher.note = request.POST["note"]
            voucher.save()  #A
    """
    found = marked(text, "rename", model="Voucher", shop__lookups=LOOKUPS)
    given = Case(found.tree, replace(found.hit, reads=(found.hit.read, Place("shop/lookups.py", 5))))
    assert 'voucher.save(update_fields=["note"])' in given.fixed("update_fields")
    assert "is no parameter" in found.reason("update_fields")


REVIEW = """
    from shop.models import Review


    def review(request, voucher):
        if reviewed(request.user, voucher=voucher):  #RT
            return refuse("already reviewed")
        Review.objects.create(author=request.user, voucher=voucher, text=text)  #A
        return answer()


    def reviewed(user, voucher):
        return Review.objects.filter(author=user, voucher=voucher).exists()
"""


def reviewed(text=REVIEW):
    """The case, its read being the query of the called function."""
    case = marked(text, "review", model="Review", check="check-then-insert")
    lines = case.tree.texts["shop/views.py"].split("\n")
    place = Place("shop/views.py", 1 + next(at for at, each in enumerate(lines) if "exists()" in each))
    return Case(case.tree, replace(case.hit, reads=(case.hit.read, place)))


def test_a_look_up_in_a_called_function_is_told_in_the_words_of_the_caller():
    case = reviewed()
    assert 'f"{request.user.pk}:{voucher.pk}"' in case.fixed("advisory_lock")
    assert "get(pk=voucher.pk)" in case.fixed("lock_parent")
    fixed = case.fixed("unique_constraint", "shop/models.py")
    assert 'fields=["author", "voucher"]' in fixed
    assert "except IntegrityError:\n        return refuse" in case.fixed("unique_constraint")


def test_a_look_up_that_the_caller_could_not_write_is_none():
    own = REVIEW.replace("return Review", "author = owner(user)\n        return Review").replace(
        "=user,", "=author,"
    )
    assert "uses `author`, which the caller does not have" in reviewed(own).reason("advisory_lock")
    starred = REVIEW.replace("voucher=voucher):", "**which):")
    assert "is not written there" in reviewed(starred).reason("advisory_lock")
    row = REVIEW.replace(
        "Review.objects.filter(author=user, voucher=voucher)", "voucher.reviews.filter(author=user)"
    )
    assert "starts from a row" in reviewed(row).reason("unique_constraint")
