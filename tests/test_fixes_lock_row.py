import textwrap

from fixing import code, marked

TRY = """
    from django.db import transaction
    from shop.models import Voucher


    def redeem(request, code):
        log = request.log
        try:
            voucher = Voucher.objects.get(code=code)  #R
        except Voucher.DoesNotExist:
            return None  # gone
        if voucher.used >= voucher.limit:  #T
            raise ValueError('used up')

        # the last one wins
        voucher.used += 1
        voucher.save()  #A
        log.info("redeemed %s", code)
        return voucher.used
"""


def view(read, imports="from shop.models import Voucher"):
    return f"""
        {imports}


        def redeem(request, code):
            {read}  #R
            if voucher.status == Voucher.USED:  #T
                return refuse("used")
            voucher.status = Voucher.USED
            voucher.save()  #A
            return answer(voucher)
    """


def locked(read, imports="from shop.models import Voucher"):
    """The read line that the fix makes of another one."""
    fixed = marked(view(read, imports), "redeem", model="Voucher").fixed("lock_row")
    lines = fixed.split("\n")
    start = next(index for index, each in enumerate(lines) if each.startswith("def redeem"))
    assert lines[start - 1] == "@transaction.atomic"
    end = next(index for index, each in enumerate(lines) if "if voucher.status" in each)
    return "\n".join(each.strip() for each in lines[start + 1 : end])


def refused(read):
    return marked(view(read), "redeem", model="Voucher").reason("lock_row")


def test_locks_from_the_read_to_the_write_and_keeps_comments_and_quotes():
    assert marked(TRY, "redeem", model="Voucher").fixed("lock_row") == code("""
        from django.db import transaction
        from shop.models import Voucher


        def redeem(request, code):
            log = request.log
            with transaction.atomic():
                try:
                    voucher = Voucher.objects.select_for_update().get(code=code)
                except Voucher.DoesNotExist:
                    return None  # gone
                if voucher.used >= voucher.limit:
                    raise ValueError('used up')

                # the last one wins
                voucher.used += 1
                voucher.save()
            log.info("redeemed %s", code)
            return voucher.used
    """)


def test_says_what_the_loser_is_answered():
    found = marked(TRY, "redeem", model="Voucher").offered("lock_row")
    assert found.loser == "the refusal of the check at shop/views.py:11: raise ValueError('used up')"
    assert not found.migration


def test_a_function_that_does_nothing_else_gets_a_decorator_below_the_others():
    fixed = marked(
        """
        from shop.models import Voucher


        class Redeem(View):
            @method_decorator(login_required)
            def post(self, request, code):
                '''Redeems a voucher once.'''
                voucher = Voucher.objects.get(code=code)  #R
                if voucher.status == Voucher.USED:  #T
                    return refuse("used")
                voucher.status = Voucher.USED
                voucher.save()  #A
                return answer(voucher)
        """,
        "Redeem.post",
        model="Voucher",
    ).fixed("lock_row")
    assert fixed == code("""
        from django.db import transaction

        from shop.models import Voucher


        class Redeem(View):
            @method_decorator(login_required)
            @transaction.atomic
            def post(self, request, code):
                '''Redeems a voucher once.'''
                voucher = Voucher.objects.select_for_update().get(code=code)
                if voucher.status == Voucher.USED:
                    return refuse("used")
                voucher.status = Voucher.USED
                voucher.save()
                return answer(voucher)
    """)


def test_finds_the_place_of_the_lock_in_each_kind_of_read():
    assert locked("voucher = Voucher.objects.filter(code=code).first()") == (
        "voucher = Voucher.objects.select_for_update().filter(code=code).first()"
    )
    assert locked("voucher = get_object_or_404(Voucher, code=code)") == (
        "voucher = get_object_or_404(Voucher.objects.select_for_update(), code=code)"
    )
    assert locked("voucher = get_object_or_404(Voucher.objects.all(), code=code)") == (
        "voucher = get_object_or_404(Voucher.objects.all().select_for_update(), code=code)"
    )
    assert locked("voucher = request.user.vouchers.get(code=code)") == (
        "voucher = request.user.vouchers.select_for_update().get(code=code)"
    )


def test_locks_the_row_alone_where_a_join_may_have_no_row():
    assert locked('voucher = Voucher.objects.select_related("owner").get(code=code)') == "\n".join(
        [
            "voucher = (",
            'Voucher.objects.select_for_update(of=("self",))',
            '.select_related("owner")',
            ".get(code=code)",
            ")",
        ]
    )


def test_a_view_that_finds_its_object_reads_it_again_under_the_lock():
    fixed = marked(
        """
        from rest_framework import viewsets
        from shop.models import Voucher

        class VoucherViewSet(viewsets.ModelViewSet):
            queryset = Voucher.objects.all()

            @action(detail=True, methods=["post"])
            def redeem(self, request, pk=None):
                voucher = self.get_object()  #R
                if voucher.used_at:  #T
                    return Response(status=409)
                voucher.used_at = now()
                voucher.save()  #A
                return Response(status=200)
        """,
        "VoucherViewSet.redeem",
        model="Voucher",
    ).fixed("lock_row")
    assert fixed == code("""
        from django.db import transaction
        from django.shortcuts import get_object_or_404
        from rest_framework import viewsets
        from shop.models import Voucher

        class VoucherViewSet(viewsets.ModelViewSet):
            queryset = Voucher.objects.all()

            @action(detail=True, methods=["post"])
            @transaction.atomic
            def redeem(self, request, pk=None):
                voucher = get_object_or_404(
                    Voucher.objects.select_for_update(), pk=self.get_object().pk
                )
                if voucher.used_at:
                    return Response(status=409)
                voucher.used_at = now()
                voucher.save()
                return Response(status=200)
    """)


def test_a_row_that_came_as_a_parameter_is_locked_and_read_again():
    fixed = marked(
        """
        from django.db import models


        class Pass(models.Model):
            used = models.IntegerField()
            limit = models.IntegerField()

            def redeem(self):
                if self.used >= self.limit:  #RT
                    raise ValueError("used up")
                self.used += 1
                self.save()  #A
        """,
        "Pass.redeem",
        model="Pass",
        path="shop/passes/models.py",
    ).fixed("lock_row")
    assert fixed == code("""
        from django.db import models, transaction


        class Pass(models.Model):
            used = models.IntegerField()
            limit = models.IntegerField()

            @transaction.atomic
            def redeem(self):
                Pass.objects.select_for_update().get(pk=self.pk)
                self.refresh_from_db()
                if self.used >= self.limit:
                    raise ValueError("used up")
                self.used += 1
                self.save()
    """)


def test_a_transaction_that_begins_too_late_grows_to_the_front():
    fixed = marked(
        """
        from django.db import transaction
        from shop.models import Voucher


        def redeem(request, code):
            form = read(request)
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status == Voucher.USED:  #T
                return refuse("used")
            with transaction.atomic():
                voucher.status = Voucher.USED
                voucher.save()  #A
            return answer(voucher)
        """,
        "redeem",
        model="Voucher",
    ).fixed("lock_row")
    assert fixed == code("""
        from django.db import transaction
        from shop.models import Voucher


        def redeem(request, code):
            form = read(request)
            with transaction.atomic():
                voucher = Voucher.objects.select_for_update().get(code=code)
                if voucher.status == Voucher.USED:
                    return refuse("used")
                voucher.status = Voucher.USED
                voucher.save()
            return answer(voucher)
    """)


def test_inside_a_transaction_only_the_read_changes():
    before = """
        from django.db import transaction
        from shop.models import Voucher


        def redeem(request, code):
            with transaction.atomic():
                voucher = Voucher.objects.get(code=code)  #R
                if voucher.status == Voucher.USED:  #T
                    return refuse("used")
                voucher.status = Voucher.USED
                voucher.save()  #A
    """
    found = marked(before, "redeem", model="Voucher").offered("lock_row")
    changed = [line for line in found.diff.split("\n") if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert [line[1:].strip() for line in changed if line] == [
        "voucher = Voucher.objects.get(code=code)",
        "voucher = Voucher.objects.select_for_update().get(code=code)",
    ]


def test_a_handler_of_a_database_error_gets_a_savepoint():
    fixed = marked(
        """
        from django.db import IntegrityError
        from shop.models import Redemption, Voucher


        def redeem(request, code):
            user = request.user
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status == Voucher.USED:  #T
                return refuse("used")
            try:
                Redemption.objects.create(voucher=voucher, user=user)
            except IntegrityError:
                count(user)
            voucher.status = Voucher.USED
            voucher.save()  #A
            log(user)
            return answer(voucher)
        """,
        "redeem",
        model="Voucher",
    ).fixed("lock_row")
    assert fixed.split("user = request.user\n")[1] == textwrap.indent(
        code("""
            with transaction.atomic():
                voucher = Voucher.objects.select_for_update().get(code=code)
                if voucher.status == Voucher.USED:
                    return refuse("used")
                try:
                    with transaction.atomic():
                        Redemption.objects.create(voucher=voucher, user=user)
                except IntegrityError:
                    count(user)
                voucher.status = Voucher.USED
                voucher.save()
            log(user)
            return answer(voucher)
        """),
        "    ",
    )


def test_a_variable_called_transaction_is_not_the_module():
    fixed = marked(
        """
        from shop.models import Voucher


        def pay(request, transaction):
            voucher = Voucher.objects.get(pk=transaction.voucher_id)  #R
            if voucher.status == Voucher.USED:  #T
                return refuse("used")
            voucher.status = Voucher.USED
            voucher.save()  #A
        """,
        "pay",
        model="Voucher",
    ).fixed("lock_row")
    assert "from django.db import transaction as db_transaction\n" in fixed
    assert "@db_transaction.atomic\ndef pay(request, transaction):" in fixed


def test_is_not_offered_where_no_row_can_be_locked():
    assert "may be no row" in refused("voucher = Voucher.objects.filter(code=code).count()")
    assert "DISTINCT" in refused("voucher = Voucher.objects.distinct().get(code=code)")
    assert "GROUP BY" in refused('voucher = Voucher.objects.annotate(n=Count("redemptions")).get(code=code)')
    assert "no query" in refused('voucher = payload.get("voucher")')


def test_is_not_offered_for_a_row_that_is_not_there_yet():
    case = marked(
        """
        from shop.models import Redemption


        def redeem(user, voucher):
            found = Redemption.objects.filter(voucher=voucher, user=user).first()  #R
            if found is None:  #T
                found = Redemption.objects.create(voucher=voucher, user=user)  #A
            return found
        """,
        "redeem",
        model="Redemption",
    )
    assert "not there yet" in case.reason("lock_row")


def test_is_not_offered_in_asynchronous_code_or_for_a_read_elsewhere():
    asynchronous = """
        async def redeem(request, code):
            voucher = await Voucher.objects.aget(code=code)  #R
            if voucher.used:  #T
                return None
            await voucher.asave()  #A
    """
    assert "asynchronous" in marked(asynchronous, "redeem", model="Voucher").reason("lock_row")
    elsewhere = """
        def find(code):
            return Voucher.objects.get(code=code)  #R

        def redeem(request, code):
            voucher = find(code)
            if voucher.used:  #T
                return None
            voucher.save()  #A
    """
    assert "another function" in marked(elsewhere, "redeem", model="Voucher").reason("lock_row")


def test_a_fixed_function_gets_no_proposal():
    case = marked(TRY, "redeem", model="Voucher")
    again = code(case.fixed("lock_row"))
    lines = again.split("\n")
    for mark, text in (("R", ".get(code=code)"), ("T", "if voucher.used"), ("A", "voucher.save()")):
        at = next(index for index, line in enumerate(lines) if text in line)
        lines[at] += f"  #{mark}"
    fixed = marked("\n".join(lines), "redeem", model="Voucher")
    assert "locked before the check" in fixed.reason("lock_row")
    assert "locked before the check" in fixed.reason("conditional_update")


def test_is_not_offered_where_the_act_is_for_an_absent_row():
    text = """
        from shop.models import Voucher


        def tag(manager, name):
            try:
                return manager.get(name__iexact=name)  #R
            except Voucher.DoesNotExist:
                return manager.create(name=name)  #A
    """
    assert "not there yet" in marked(text, "tag").reason("lock_row")


def test_an_update_reads_nothing_that_could_be_locked():
    text = """
        from django.db.models import F
        from shop.models import Voucher


        def redeem(code):
            Voucher.objects.filter(code=code).update(used=F("used") + 1)  #RA
    """
    assert "no query of the ORM" in marked(text, "redeem", model="Voucher").reason("lock_row")


def test_a_lock_that_is_only_written_is_taken():
    text = """
        from django.db import transaction
        from shop.models import Voucher


        def renew(vouchers):
            with transaction.atomic():
                held = Voucher.objects.filter(pk__in=vouchers).select_for_update()  #R
                Voucher.objects.bulk_update(vouchers, ["note"])  #A
    """
    case = marked(text, "renew", model="Voucher", check="lock-never-evaluated")
    assert "held = list(Voucher.objects.filter(pk__in=vouchers).select_for_update())\n" in case.fixed(
        "lock_row"
    )


def test_of_all_rows_the_lock_takes_the_place_of_all():
    text = """
        from shop.models import Voucher


        def spend(basket):
            for voucher in basket.vouchers.all():  #R
                voucher.used += 1
                voucher.save()  #A
    """
    fixed = marked(text, "spend", model="Voucher").fixed("lock_row")
    assert "for voucher in basket.vouchers.select_for_update():\n" in fixed


def test_a_lock_on_a_row_that_may_not_be_there_says_so():
    text = """
        from shop.models import Page


        def note(request, pk):
            try:
                page = request.book.pages.get(pk=pk)  #R
            except ObjectDoesNotExist:
                page = request.book.pages.model(pk=pk)
            page.body = page.body + request.text
            page.save()  #A
    """
    assert "two requests may both insert" in marked(text, "note", model="Page").offered("lock_row").why
    sure = text.replace("except ObjectDoesNotExist", "except Gone")
    assert "both insert" not in marked(sure, "note", model="Page").offered("lock_row").why
