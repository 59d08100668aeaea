import ast

from fixing import code, marked

EXISTS = """
    from shop.models import Review


    def review(request, voucher):
        form = read(request)
        if Review.objects.filter(author=request.user, voucher_id=voucher).exists():  #R
            return refuse("already reviewed")
        Review.objects.create(author=request.user, voucher_id=voucher)  #A
        return answer(form)
"""
NUMBER = """
    from shop.models import Ticket


    def take(request):
        last = Ticket.objects.aggregate(Max("number"))["number__max"] or 0  #R
        return Ticket.objects.create(number=last + 1)  #A
"""


def key(lookup):
    """What the lock is taken on, for a look-up."""
    text = EXISTS.replace("author=request.user, voucher_id=voucher).exists", f"{lookup}).exists")
    fixed = marked(text, "review", model="Review").fixed("advisory_lock")
    calls = [each for each in ast.walk(ast.parse(fixed)) if isinstance(each, ast.Call)]
    execute = next(each for each in calls if ast.unparse(each.func) == "cursor.execute")
    return ast.unparse(execute.args[1].elts[1]).replace("'", '"')


def test_locks_the_key_of_the_look_up_to_the_commit():
    assert marked(EXISTS, "review", model="Review").fixed("advisory_lock") == code("""
        from django.db import connection, transaction

        from shop.models import Review


        def review(request, voucher):
            form = read(request)
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))",
                        ["shop.Review", f"{request.user.pk}:{voucher}"],
                    )
                if Review.objects.filter(author=request.user, voucher_id=voucher).exists():
                    return refuse("already reviewed")
                Review.objects.create(author=request.user, voucher_id=voucher)
            return answer(form)
    """)


def test_the_key_is_always_a_text():
    assert key("author=request.user") == "str(request.user.pk)"
    assert key("author_id=user_id") == "str(user_id)"
    assert key("author=author_id") == "str(author_id)"
    assert key("text=text.lower()") == "str(text.lower())"
    assert key("author=request.user, kind='open'") == "str(request.user.pk)"
    assert key('author=request.user, text=request.POST["text"]') == (
        '":".join(map(str, [request.user.pk, request.POST["text"]]))'
    )
    assert key("kind='open'") == '""'


def test_the_next_number_has_one_lock_for_all():
    fixed = marked(NUMBER, "take", model="Ticket").fixed("advisory_lock")
    assert fixed.split("def take(request):\n")[1].split("    last")[0] == (
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute(\n"
        '            "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))",\n'
        '            ["shop.Ticket", ""],\n'
        "        )\n"
    )
    assert "@transaction.atomic\ndef take(request):" in fixed


def test_a_method_that_has_a_cursor_gets_another_one():
    text = EXISTS.replace("form = read(request)", "cursor = read(request)").replace(
        "answer(form)", "answer(cursor)"
    )
    fixed = marked(text, "review", model="Review").fixed("advisory_lock")
    assert "with connection.cursor() as cursor_2:\n            cursor_2.execute(" in fixed


def test_inside_a_transaction_it_needs_no_other():
    text = EXISTS.replace("    def review", "    @transaction.atomic\n    def review").replace(
        "    from shop", "    from django.db import transaction\n    from shop"
    )
    fixed = marked(text, "review", model="Review").fixed("advisory_lock")
    assert "with transaction.atomic()" not in fixed
    assert "    form = read(request)\n    with connection.cursor() as cursor:\n" in fixed


def test_is_not_offered_for_a_row_that_exists():
    text = """
        from shop.models import Redemption, Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.used:  #T
                return refuse()
            Redemption.objects.create(voucher=voucher, user=request.user)  #A
    """
    assert "the row's own lock is enough" in marked(text, "redeem", model="Redemption").reason(
        "advisory_lock"
    )
    saves = text.replace("Redemption.objects.create(voucher=voucher, user=request.user)", "voucher.save()")
    assert "inserts no row" in marked(saves, "redeem", model="Voucher").reason("advisory_lock")


def test_a_fixed_function_gets_no_proposal():
    fixed = marked(EXISTS, "review", model="Review").fixed("advisory_lock")
    fixed = fixed.replace(".exists():", ".exists():  #R").replace(
        "Review.objects.create(author=request.user, voucher_id=voucher)",
        "Review.objects.create(author=request.user, voucher_id=voucher)  #A",
    )
    case = marked(fixed, "review", model="Review")
    for name in ("advisory_lock", "unique_constraint"):
        assert "an advisory lock is taken" in case.reason(name)


def test_a_value_that_equal_ones_may_be_written_unlike_is_no_part_of_the_key():
    text = """
        from shop.models import Review


        def review(request, voucher, kind):
            # only one
            if Review.objects.filter(voucher=voucher, kind__iexact=kind).exists():  #R
                return refuse()
            Review.objects.create(voucher=voucher, kind=kind)  #A
    """
    fixed = marked(text, "review", model="Review", check="check-then-insert").fixed("advisory_lock")
    assert '["shop.Review", str(voucher.pk)]' in fixed
    assert "        )\n    # only one\n    if Review" in fixed
