from fixing import code, marked

EXCEPT = """
    from shop.models import Redemption


    def redeem(user, voucher):
        # one for each
        try:
            found = Redemption.objects.get(voucher=voucher, user=user)  #R
        except Redemption.DoesNotExist:
            found = Redemption.objects.create(voucher=voucher, user=user, amount=3)  #A
            notify(found)
        return found
"""


def redeem(text):
    return marked(text, "redeem", model="Redemption")


def body(text):
    """The fixed body, without its indentation."""
    fixed = redeem(text).fixed("get_or_create")
    return [each.strip() for each in fixed.split("\n")[4:] if each.strip()]


def view(*lines):
    return "\n".join(
        [
            "from shop.models import Redemption",
            "",
            "",
            "def redeem(user, voucher):",
            *(f"    {each}" for each in lines),
        ]
    )


def test_get_except_create_becomes_one_call():
    assert redeem(EXCEPT).fixed("get_or_create") == code("""
        from shop.models import Redemption


        def redeem(user, voucher):
            # one for each
            found, created = Redemption.objects.get_or_create(
                voucher=voucher, user=user, defaults={"amount": 3}
            )
            if created:
                notify(found)
            return found
    """)


def test_a_row_made_by_hand_in_the_handler():
    assert body(
        view(
            "try:",
            "    found = Redemption.objects.get(voucher=voucher, user=user)  #R",
            "except Redemption.DoesNotExist:",
            "    found = Redemption(voucher=voucher, user=user)",
            "    found.save()  #A",
            "return found",
        )
    ) == ["found, _ = Redemption.objects.get_or_create(voucher=voucher, user=user)", "return found"]


def test_first_and_a_check_for_none():
    for check in ("found is None", "not found"):
        assert body(
            view(
                "found = Redemption.objects.filter(voucher=voucher, user=user).first()  #R",
                f"if {check}:  #T",
                "    found = Redemption.objects.create(user=user, voucher=voucher, amount=1)  #A",
                "return found",
            )
        ) == [
            "found, _ = Redemption.objects.get_or_create(",
            'voucher=voucher, user=user, defaults={"amount": 1}',
            ")",
            "return found",
        ]


def test_exists_and_create_without_a_name():
    assert body(
        view(
            "if not Redemption.objects.filter(voucher=voucher, user=user).exists():  #R",
            "    Redemption.objects.create(voucher=voucher, user=user)  #A",
            "return voucher",
        )
    ) == ["Redemption.objects.get_or_create(voucher=voucher, user=user)", "return voucher"]


def test_a_check_that_refuses_keeps_its_answer():
    assert body(
        view(
            "if Redemption.objects.filter(voucher=voucher, user=user).exists():  #R",
            "    return refuse(voucher)",
            "redemption = Redemption.objects.create(voucher=voucher, user=user)  #A",
            "return redemption",
        )
    ) == [
        "redemption, created = Redemption.objects.get_or_create(voucher=voucher, user=user)",
        "if not created:",
        "return refuse(voucher)",
        "return redemption",
    ]


def test_what_lies_between_the_check_and_the_insert_keeps_its_place_and_its_check():
    assert body(
        view(
            "if Redemption.objects.filter(voucher=voucher, user=user).exists():  #R",
            "    return refuse(voucher)",
            "count = ask(voucher)",
            "Redemption.objects.create(voucher=voucher, user=user, amount=count)  #A",
            "return count",
        )
    ) == [
        "if Redemption.objects.filter(voucher=voucher, user=user).exists():",
        "return refuse(voucher)",
        "count = ask(voucher)",
        "_, created = Redemption.objects.get_or_create(",
        'voucher=voucher, user=user, defaults={"amount": count}',
        ")",
        "if not created:",
        "return refuse(voucher)",
        "return count",
    ]


def test_a_manager_method_of_a_related_row():
    assert body(
        view(
            "try:",
            "    found = voucher.redemptions.get(user=user, voucher=voucher)  #R",
            "except Redemption.DoesNotExist:",
            "    found = Redemption.objects.create(user=user, voucher=voucher)  #A",
            "return found",
        )
    ) == ["found, _ = Redemption.objects.get_or_create(user=user, voucher=voucher)", "return found"]


def test_is_not_offered_without_a_unique_constraint():
    text = (
        EXCEPT.replace("Redemption", "Review")
        .replace("user=user", "author=user")
        .replace("amount=3", "text=''")
    )
    assert "no unique constraint of Review covers (voucher, author)" in marked(
        text, "redeem", model="Review"
    ).reason("get_or_create")
    partly = EXCEPT.replace("voucher=voucher, user=user)", "voucher=voucher)")
    assert "covers (voucher)" in redeem(partly).reason("get_or_create")


def test_is_not_offered_where_the_insert_is_of_another_row():
    text = EXCEPT.replace("create(voucher=voucher", "create(voucher=voucher.parent")
    assert "two different rows" in redeem(text).reason("get_or_create")
    text = EXCEPT.replace("create(voucher=voucher, user=user, amount=3)", "create(**given)")
    assert "two different rows" in redeem(text).reason("get_or_create")


def test_is_not_offered_for_another_kind_of_look_up():
    text = EXCEPT.replace("get(voucher=voucher, user=user)", "get(voucher__code=voucher, user=user)")
    assert "more than equality" in redeem(text).reason("get_or_create")
    text = EXCEPT.replace("objects.get(", "objects.exclude(amount=2).get(")
    assert ".exclude()" in redeem(text).reason("get_or_create")
    text = EXCEPT.replace("except Redemption.DoesNotExist", "except KeyError")
    assert "not one of" in redeem(text).reason("get_or_create")


def test_is_not_offered_where_something_comes_before_the_insert():
    text = EXCEPT.replace(
        "            found = Redemption.objects.create",
        "            ask(user)\n            found = Redemption.objects.create",
    )
    assert "ask(user)" in text and "not one of" in redeem(text).reason("get_or_create")


def test_a_fixed_function_gets_no_proposal():
    fixed = redeem(EXCEPT).fixed("get_or_create").split("\n")
    fixed[5] += "  #RA"
    assert "one call that reads and writes" in redeem("\n".join(fixed)).reason("get_or_create")
