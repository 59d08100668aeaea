from fixing import code, marked

EXISTS = """
    from shop.models import Redemption


    def redeem(request, voucher):
        if Redemption.objects.filter(voucher=voucher, user=request.user).exists():  #R
            return refuse("once only")
        Redemption.objects.create(voucher=voucher, user=request.user, amount=amount(request))  #A
        return answer(voucher)
"""


def saves_then_inserts(
    insert, imports="Redemption, Voucher", before="voucher.save()", refusal='return refuse("used")'
):
    return marked(
        f"""
        from shop.models import {imports}


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status == Voucher.USED:  #T
                {refusal}
            voucher.status = Voucher.USED
            {before}
            {insert}  #A
            log(voucher)
            return answer(voucher)


        def amount(voucher):
            return voucher.limit * 2


        def amount_left(voucher):
            return Redemption.objects.filter(voucher__status=voucher.status).count()
        """,
        "redeem",
        model="Redemption",
    )


def body(case):
    fixed = case.fixed("insert_first")
    return fixed.split("voucher.status = Voucher.USED\n")[1].split("    log(voucher)")[0]


def test_the_conflict_gets_the_refusal_of_the_check():
    assert marked(EXISTS, "redeem", model="Redemption").fixed("insert_first") == code("""
        from django.db import IntegrityError, transaction

        from shop.models import Redemption


        def redeem(request, voucher):
            if Redemption.objects.filter(voucher=voucher, user=request.user).exists():
                return refuse("once only")
            try:
                with transaction.atomic():
                    Redemption.objects.create(voucher=voucher, user=request.user, amount=amount(request))
            except IntegrityError:
                return refuse("once only")
            return answer(voucher)
    """)


def test_the_insert_moves_before_the_other_writes():
    case = saves_then_inserts(
        "Redemption.objects.create(voucher=voucher, user=request.user, amount=amount(voucher))"
    )
    assert body(case) == (
        "    try:\n"
        "        with transaction.atomic():\n"
        "            Redemption.objects.create(voucher=voucher, user=request.user, amount=amount(voucher))\n"
        "            voucher.save()\n"
        "    except IntegrityError:\n"
        '        return refuse("used")\n'
    )


def test_an_insert_that_needs_what_was_written_stays_behind_it():
    for amount in ("voucher.status", "amount_left(voucher)", "unknown(voucher)"):
        insert = f"Redemption.objects.create(voucher=voucher, user=request.user, amount={amount})"
        lines = [line.strip() for line in body(saves_then_inserts(insert)).split("\n")]
        assert lines[:3] == ["try:", "with transaction.atomic():", "voucher.save()"], amount


def test_an_insert_that_uses_a_name_made_between_stays_behind_it():
    case = saves_then_inserts(
        "Redemption.objects.create(voucher=voucher, user=request.user, amount=review.pk)",
        "Redemption, Review, Voucher",
        before="review = Review.objects.create(voucher=voucher)",
    )
    lines = [line.strip() for line in body(case).split("\n")]
    assert lines[2] == "review = Review.objects.create(voucher=voucher)"


def test_a_serializer_returns_what_it_created():
    case = marked(
        """
        from django.db import transaction
        from rest_framework import serializers

        from shop.models import Redemption


        class RedemptionSerializer(serializers.ModelSerializer):
            def create(self, validated_data):
                user = self.context["request"].user
                if Redemption.objects.filter(voucher=validated_data["voucher"], user=user).exists():  #R
                    raise serializers.ValidationError("already")
                validated_data["user"] = user
                return super().create(validated_data)  #A
        """,
        "RedemptionSerializer.create",
        model="Redemption",
    )
    assert case.fixed("insert_first") == code("""
        from django.db import IntegrityError, transaction
        from rest_framework import serializers

        from shop.models import Redemption


        class RedemptionSerializer(serializers.ModelSerializer):
            def create(self, validated_data):
                user = self.context["request"].user
                if Redemption.objects.filter(voucher=validated_data["voucher"], user=user).exists():
                    raise serializers.ValidationError("already")
                validated_data["user"] = user
                try:
                    with transaction.atomic():
                        return super().create(validated_data)
                except IntegrityError:
                    raise serializers.ValidationError("already")
    """)


def test_a_row_made_by_hand_is_an_insert_too():
    case = marked(
        """
        from shop.models import Redemption


        class Redeem(View):
            def post(self, request, voucher):
                if Redemption.objects.filter(voucher=voucher, user=request.user).exists():  #R
                    return refuse("once only")
                redemption = Redemption(voucher=voucher, user=request.user)
                redemption.save()  #A
                return answer(redemption)
        """,
        "Redeem.post",
        model="Redemption",
    )
    assert case.fixed("insert_first").split("user=request.user)\n")[1] == (
        "        try:\n"
        "            with transaction.atomic():\n"
        "                redemption.save()\n"
        "        except IntegrityError:\n"
        '            return refuse("once only")\n'
        "        return answer(redemption)\n"
    )


def test_inside_a_transaction_the_insert_alone_gets_a_savepoint():
    case = marked(
        """
        from django.db import transaction
        from shop.models import Redemption


        @transaction.atomic
        def redeem(request, voucher):
            if Redemption.objects.filter(voucher=voucher, user=request.user).exists():  #R
                return refuse("once only")
            Redemption.objects.create(voucher=voucher, user=request.user)  #A
            request.user.save()
            return answer(voucher)
        """,
        "redeem",
        model="Redemption",
    )
    assert case.fixed("insert_first").split('return refuse("once only")\n', 1)[1] == (
        "    try:\n"
        "        with transaction.atomic():\n"
        "            Redemption.objects.create(voucher=voucher, user=request.user)\n"
        "    except IntegrityError:\n"
        '        return refuse("once only")\n'
        "    request.user.save()\n"
        "    return answer(voucher)\n"
    )


def test_is_not_offered_where_no_constraint_would_refuse_the_second():
    case = marked(
        EXISTS.replace("Redemption", "Review").replace("user=", "author="), "redeem", model="Review"
    )
    assert "no unique constraint of Review" in case.reason("insert_first")
    partly = saves_then_inserts("Redemption.objects.create(voucher=voucher, amount=3)")
    assert "no unique constraint of Redemption" in partly.reason("insert_first")


def test_is_not_offered_where_nothing_is_inserted_or_nothing_refuses():
    assert "no insert" in saves_then_inserts("voucher.save()").reason("insert_first")
    assert "does not refuse" in saves_then_inserts(
        "Redemption.objects.create(voucher=voucher, user=request.user)", refusal="log(voucher)"
    ).reason("insert_first")


def test_a_fixed_function_gets_no_proposal():
    fixed = marked(EXISTS, "redeem", model="Redemption").fixed("insert_first").split("\n")
    fixed[6] += "  #R"
    fixed[10] += "  #A"
    case = marked("\n".join(fixed), "redeem", model="Redemption")
    assert "create" in fixed[10] and "exists" in fixed[6]
    for name in ("insert_first", "advisory_lock", "get_or_create"):
        assert "conflict of the insert is handled" in case.reason(name)
