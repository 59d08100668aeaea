"""Locks that hold another row than the one that is read and written."""

from tests.shapes import hit, silent


def test_a_lock_on_a_row_of_another_table_protects_nothing():
    hit(
        "limited-use",
        """
        @transaction.atomic
        def redeem(request, code):
            account = Account.objects.select_for_update().get(number=request.POST["account"])
            coupon = Coupon.objects.get(code=code)  # read
            if coupon.used >= coupon.limit:  # test
                return HttpResponse(status=409)
            coupon.used += 1
            coupon.save()  # act
            return JsonResponse({"account": account.pk})
        """,
    )


def test_a_lock_on_the_row_above_is_silent():
    silent("""
        @transaction.atomic
        def pay(request, number):
            account = Account.objects.select_for_update().get(number=number)
            invoice = Invoice.objects.get(account=account, number=1)
            if invoice.paid:
                return HttpResponse(status=409)
            invoice.paid = True
            invoice.save()
        """)


def test_a_lock_on_the_row_below_protects_nothing():
    hit(
        "counter-increment",
        """
        @transaction.atomic
        def pay(request, pk):
            invoice = Invoice.objects.select_for_update().get(pk=pk)
            account = Account.objects.get(pk=invoice.account_id)  # read
            account.balance += 1
            account.save()  # act
        """,
    )


def test_a_lock_whose_model_is_out_of_sight_is_silent():
    silent("""
        from billing.models import Tenant

        @transaction.atomic
        def redeem(request, code):
            Tenant.objects.select_for_update().get(pk=request.tenant_id)
            coupon = Coupon.objects.get(code=code)
            if coupon.used >= coupon.limit:
                return HttpResponse(status=409)
            coupon.used += 1
            coupon.save()
        """)
