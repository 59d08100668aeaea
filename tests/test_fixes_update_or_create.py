import pytest
from fixing import MODELS, code, marked

SET = """
    from shop.models import Redemption


    def redeem(user, voucher, amount):
        # one for each
        try:
            found = Redemption.objects.get(voucher=voucher, user=user)  #R
        except Redemption.DoesNotExist:
            Redemption.objects.create(voucher=voucher, user=user, amount=amount)  #A
        else:
            found.amount = amount  # the last one wins
            found.save()
        return "done"
"""


def redeem(text):
    return marked(text, "redeem", model="Redemption", check="get-except-create")


def body(text):
    """The fixed body from its first comment on, without its indentation."""
    fixed = redeem(text).fixed("update_or_create")
    return [each.strip() for each in fixed.partition("# one for each")[2].split("\n")[1:] if each.strip()]


def test_what_is_set_in_both_branches_is_one_call():
    assert redeem(SET).fixed("update_or_create") == code("""
        from shop.models import Redemption


        def redeem(user, voucher, amount):
            # one for each
            # the last one wins
            Redemption.objects.update_or_create(
                voucher=voucher, user=user, defaults={"amount": amount}
            )
            return "done"
    """)


def test_the_row_has_a_name_where_it_is_used_afterwards():
    text = SET.replace(
        "            Redemption.objects.create", "            found = Redemption.objects.create"
    )
    assert body(text.replace('return "done"', "return found"))[1:] == [
        "found, _ = Redemption.objects.update_or_create(",
        'voucher=voucher, user=user, defaults={"amount": amount}',
        ")",
        "return found",
    ]


LOCKED = [
    "# one for each",
    "found, created = Redemption.objects.select_for_update().get_or_create(",
    'voucher=voucher, user=user, defaults={"amount": amount}',
    ")",
    "if not created:",
    "found.amount += amount",
    "found.save()",
    'return "done"',
]
COUNT = SET.replace("found.amount = amount  # the last one wins", "found.amount += amount")
FIRST = """
    from shop.models import Redemption


    def redeem(user, voucher, amount):
        # one for each
        found = Redemption.objects.filter(voucher=voucher, user=user).first()  #R
        if found is None:
            Redemption.objects.create(voucher=voucher, user=user, amount=amount)  #A
        else:
            found.amount += amount
            found.save()
        return "done"
"""
WITHIN = """
    from shop.models import Redemption


    def redeem(user, voucher, amount):
        # one for each
        try:
            found = Redemption.objects.get(voucher=voucher, user=user)  #R
            found.amount += amount
            found.save()
        except Redemption.DoesNotExist:
            found = Redemption(voucher=voucher, user=user, amount=amount)
            found.save()  #A
        return "done"
"""
TURNED = """
    from shop.models import Redemption


    def redeem(user, voucher, amount):
        # one for each
        mine = Redemption.objects.filter(voucher=voucher)
        found = mine.filter(user=user).first()  #R
        if found:
            found.amount += amount
            found.save()
        else:
            Redemption.objects.create(voucher=voucher, user=user, amount=amount)  #A
        return "done"
"""


@pytest.mark.parametrize("text", [COUNT, FIRST, WITHIN])
def test_what_is_computed_from_the_row_is_computed_under_its_lock(text):
    fixed = redeem(text).fixed("update_or_create")
    assert [each.strip() for each in fixed.split("amount):\n")[1].split("\n") if each.strip()] == LOCKED
    assert fixed.startswith("from django.db import transaction\n\nfrom shop.models")
    assert "@transaction.atomic\ndef redeem" in fixed


def test_a_query_set_that_only_the_look_up_started_from_goes():
    fixed = redeem(TURNED).fixed("update_or_create")
    assert "mine" not in fixed and "get_or_create(\n            voucher=voucher, user=user," in fixed
    used = TURNED.replace('return "done"', "return mine.count()")
    assert "mine = Redemption.objects.filter(voucher=voucher)" in redeem(used).fixed("update_or_create")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("user=user, amount=amount", "user=boss, amount=amount", "two different rows"),
        (".get(voucher=voucher, user=user)", ".get(voucher=voucher, amount=amount)", "no unique constraint"),
        (".get(voucher=voucher, user=user)", ".get(voucher=voucher, user__in=users)", "more than equality"),
        (
            "            found.amount = amount  # the last one wins\n            found.save()",
            "            pass",
            "one branch",
        ),
        (
            "    Redemption.objects.create",
            "    tell(user)\n            Redemption.objects.create",
            "one branch",
        ),
        ("except Redemption.DoesNotExist", "except Gone", "one branch"),
    ],
)
def test_is_not_offered_for_other_shapes(old, new, why):
    assert old in SET
    case = redeem(SET.replace(old, new))
    assert why in case.reason("update_or_create")


def test_an_insert_that_a_condition_decides_about_is_no_branch():
    text = SET.replace(
        "            Redemption.objects.create",
        "            if amount:\n                Redemption.objects.create",
    )
    assert "one branch" in redeem(text).reason("update_or_create")
    assert "are not one of" in redeem(text).reason("get_or_create")


def test_a_dict_that_is_too_long_has_a_line_for_each():
    name, other = "a" * 44, "b" * 44
    text = SET.replace("amount=amount)", f"amount={name}, user_note={other})")
    text = text.replace(
        "found.amount = amount", f"found.amount = {name}\n            found.user_note = {other}"
    )
    fixed = marked(
        text,
        "redeem",
        model="Redemption",
        shop__models=MODELS.replace("    amount =", "    user_note = models.TextField()\n    amount ="),
    ).fixed("update_or_create")
    assert (
        f"""        defaults={{
            "amount": {name},
            "user_note": {other},
        }},
"""
        in fixed
    )
