"""Extending a deposit, once; the transaction is the request's own."""

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from bank.models import Deposit

MOST_EXTENSIONS = 1


@require_POST
def extend(request, deposit_id):
    """A transaction alone protects nothing at READ COMMITTED."""
    deposit = get_object_or_404(Deposit, pk=deposit_id)  # read: extend
    if deposit.extensions >= MOST_EXTENSIONS:  # test: extend
        return JsonResponse({"error": "extended already"}, status=409)
    deposit.days += 30
    deposit.extensions += 1
    deposit.extended_by = request.POST["by"]
    deposit.save()  # act: extend
    return HttpResponse(status=204)


@require_POST
def extend_holding(request, deposit_id):
    deposit = get_object_or_404(Deposit.objects.select_for_update(), pk=deposit_id)
    if deposit.extensions >= MOST_EXTENSIONS:
        return JsonResponse({"error": "extended already"}, status=409)
    deposit.days += 30
    deposit.extensions += 1
    deposit.extended_by = request.POST["by"]
    deposit.save()  # act: extend_twin
    return HttpResponse(status=204)
