"""Numbers that must follow each other, account by account."""

import datetime

from django.db import transaction
from django.db.models import F, Max
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from shop.models import Account, DayBudget, DayLimit, Invoice, Receipt


@require_POST
def write_invoice(request, account_id):
    mine = Invoice.objects.filter(account_id=account_id)
    number = (mine.aggregate(last=Max("number"))["last"] or 0) + 1  # read: write_invoice
    Invoice.objects.create(  # act: write_invoice
        account_id=account_id, number=number, order_id=request.POST["order"]
    )
    return HttpResponse(status=201)


@require_POST
@transaction.atomic
def write_invoice_in_turn(request, account_id):
    account = Account.objects.select_for_update().get(pk=account_id)
    last = Invoice.objects.filter(account=account).aggregate(last=Max("number"))["last"]
    Invoice.objects.create(  # act: write_invoice_twin
        account=account, number=(last or 0) + 1, order_id=request.POST["order"]
    )
    return HttpResponse(status=201)


@require_POST
@transaction.atomic
def write_receipt(request, account_id):
    """Believes that its rows are locked: Django drops FOR UPDATE from an aggregate."""
    mine = Receipt.objects.select_for_update().filter(account_id=account_id)
    last = mine.aggregate(last=Max("number"))["last"] or 0  # read: write_receipt
    receipt = Receipt.objects.create(  # act: write_receipt
        account_id=account_id, number=last + 1, order_id=request.POST["order"]
    )
    return JsonResponse({"number": receipt.number}, status=201)


@require_POST
@transaction.atomic
def write_receipt_in_turn(request, account_id):
    list(Account.objects.select_for_update().filter(pk=account_id))
    last = Receipt.objects.filter(account_id=account_id).aggregate(last=Max("number"))["last"] or 0
    receipt = Receipt.objects.create(  # act: write_receipt_twin
        account_id=account_id, number=last + 1, order_id=request.POST["order"]
    )
    return JsonResponse({"number": receipt.number}, status=201)


@require_POST
@transaction.atomic
def spend(request, account_id):
    """The day's first spender finds no row to lock, and so does the second."""
    day = datetime.date.fromisoformat(request.POST["day"])
    amount = int(request.POST["amount"])
    days = DayBudget.objects.select_for_update().filter(account_id=account_id)
    budget = days.filter(day=day).first()  # read: spend
    if budget is None:  # test: spend
        DayBudget.objects.create(account_id=account_id, day=day, spent=amount)  # act: spend
    else:
        budget.spent += amount
        budget.save()
    return HttpResponse(status=204)


@require_POST
@transaction.atomic
def spend_on_a_row(request, account_id):
    day = datetime.date.fromisoformat(request.POST["day"])
    limit, _ = DayLimit.objects.get_or_create(account_id=account_id, day=day)
    DayLimit.objects.filter(pk=limit.pk).update(  # act: spend_twin
        spent=F("spent") + int(request.POST["amount"])
    )
    return HttpResponse(status=204)
