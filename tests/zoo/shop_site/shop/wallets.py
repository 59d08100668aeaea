"""Money: deposits, withdrawals, transfers and charges."""

from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from shop.models import Charge, KeyedCharge, Wallet


def refuse():
    return JsonResponse({"error": "not enough"}, status=409)


@require_POST
@transaction.atomic
def withdraw(request, wallet_id):
    """Builds a query that locks, and never runs it."""
    cents = int(request.POST["cents"])
    Wallet.objects.select_for_update().filter(pk=wallet_id)  # read: withdraw
    wallet = Wallet.objects.get(pk=wallet_id)
    if wallet.cents < cents:  # test: withdraw
        return refuse()
    wallet.cents -= cents
    wallet.save()  # act: withdraw
    return HttpResponse(status=204)


@require_POST
@transaction.atomic
def withdraw_holding(request, wallet_id):
    cents = int(request.POST["cents"])
    wallet = Wallet.objects.select_for_update().get(pk=wallet_id)
    if wallet.cents < cents:
        return refuse()
    wallet.cents -= cents
    wallet.save()  # act: withdraw_twin
    return HttpResponse(status=204)


@require_POST
def pay_out(request, wallet_id):
    """The lock is given back before the row is saved."""
    cents = int(request.POST["cents"])
    with transaction.atomic():
        wallet = Wallet.objects.select_for_update().get(pk=wallet_id)  # read: pay_out
    if wallet.cents < cents:  # test: pay_out
        return refuse()
    wallet.cents = wallet.cents - cents
    wallet.save(update_fields=["cents"])  # act: pay_out
    return HttpResponse(status=204)


@require_POST
def pay_out_conditionally(request, wallet_id):
    cents = int(request.POST["cents"])
    paid = Wallet.objects.filter(pk=wallet_id, cents__gte=cents).update(  # act: pay_out_twin
        cents=F("cents") - cents
    )
    return HttpResponse(status=204) if paid else refuse()


def move(source_id, target_id, cents):
    source = Wallet.objects.select_for_update().get(pk=source_id)
    target = Wallet.objects.select_for_update().get(pk=target_id)
    source.cents -= cents
    target.cents += cents
    source.save()
    target.save()


@require_POST
@transaction.atomic
def transfer(request, source_id, target_id):
    """Each direction locks its own side first."""
    move(source_id, target_id, int(request.POST["cents"]))
    return HttpResponse(status=204)


@require_POST
@transaction.atomic
def transfer_in_order(request, source_id, target_id):
    cents = int(request.POST["cents"])
    both = Wallet.objects.select_for_update().filter(pk__in=[source_id, target_id]).order_by("pk")
    wallets = {wallet.pk: wallet for wallet in both}
    wallets[source_id].cents -= cents
    wallets[target_id].cents += cents
    wallets[source_id].save()
    wallets[target_id].save()  # act: transfer_twin
    return HttpResponse(status=204)


@require_POST
@transaction.atomic
def charge(request, wallet_id):
    """Takes the money as often as it is asked, one after the other as well."""
    Wallet.objects.filter(pk=wallet_id).update(cents=F("cents") - int(request.POST["cents"]))
    Charge.objects.create(wallet_id=wallet_id, cents=request.POST["cents"])
    return HttpResponse(status=201)


@require_POST
def charge_once(request, wallet_id):
    try:
        with transaction.atomic():
            KeyedCharge.objects.create(
                wallet_id=wallet_id,
                cents=request.POST["cents"],
                idempotency_key=request.headers["Idempotency-Key"],
            )
            Wallet.objects.filter(pk=wallet_id).update(  # act: charge_twin
                cents=F("cents") - int(request.POST["cents"])
            )
    except IntegrityError:
        return HttpResponse(status=200)
    return HttpResponse(status=201)
