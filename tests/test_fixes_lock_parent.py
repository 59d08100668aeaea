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
