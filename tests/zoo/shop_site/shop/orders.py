"""Orders: cancel, pay, close. Two published shapes of one incident among them."""

from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from shop.models import Order, Payment, Refund


def refuse(status=409):
    return JsonResponse({"error": "the order is not open"}, status=status)


@require_POST
def cancel(request, order_id):
    """Asks before it holds the row, and not again."""
    order = get_object_or_404(Order, pk=order_id)  # read: cancel
    if order.status != Order.PAID:  # test: cancel
        return refuse()
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        order.status = Order.CANCELLED
        order.reason = request.POST["reason"]
        order.save()  # act: cancel
        Refund.objects.create(order=order, cents=order.cents)
    return HttpResponse(status=204)


@require_POST
def cancel_asking_again(request, order_id):
    order = get_object_or_404(Order, pk=order_id)
    if order.status != Order.PAID:
        return refuse()
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        if order.status != Order.PAID:
            return refuse()
        order.status = Order.CANCELLED
        order.reason = request.POST["reason"]
        order.save()
        Refund.objects.create(order=order, cents=order.cents)  # act: cancel_twin
    return HttpResponse(status=204)


@require_POST
def close_as_published(request, order_id):
    """One row read, one row saved, no insert: the loser overwrites, and nobody sees an error."""
    order = Order.objects.get(pk=order_id)  # read: close_as_published
    if order.status != Order.OPEN:  # test: close_as_published
        return refuse(400)
    order.status = Order.PAID
    order.paid_by = request.POST["by"]
    order.save()  # act: close_as_published
    return JsonResponse({"status": order.status})


@require_POST
def close_as_published_conditionally(request, order_id):
    open_orders = Order.objects.filter(pk=order_id, status=Order.OPEN)
    if open_orders.update(status=Order.PAID, paid_by=request.POST["by"]) == 0:  # act: close_as_published_twin
        return refuse(400)
    return JsonResponse({"status": Order.PAID})


@require_POST
def close_with_row(request, order_id):
    order = Order.objects.get(pk=order_id)  # read: close_with_row
    if order.status != Order.OPEN:  # test: close_with_row
        return refuse(400)
    order.status = Order.PAID
    order.paid_by = request.POST["by"]
    order.save()  # act: close_with_row
    Payment.objects.create(order=order, method=request.POST["by"])
    return JsonResponse({"status": order.status})


@require_POST
@transaction.atomic
def close_with_row_holding(request, order_id):
    order = Order.objects.select_for_update().get(pk=order_id)
    if order.status != Order.OPEN:
        return refuse(400)
    order.status = Order.PAID
    order.paid_by = request.POST["by"]
    order.save()
    Payment.objects.create(order=order, method=request.POST["by"])  # act: close_with_row_twin
    return JsonResponse({"status": order.status})


@require_POST
def confirm(request, order_id):
    """The mail is out before the insert has been allowed; a loser is told that the order is paid."""
    try:
        with transaction.atomic():
            order = Order.objects.get(pk=order_id)
            if Payment.objects.filter(order=order).exists():
                return refuse()
            send_mail("Paid", f"by {request.POST['by']}", None, [order.customer])  # act: confirm
            Payment.objects.create(order=order, method=request.POST["by"])
    except IntegrityError:
        return refuse()
    return HttpResponse(status=201)


@require_POST
def confirm_when_committed(request, order_id):
    by = request.POST["by"]
    try:
        with transaction.atomic():
            order = Order.objects.get(pk=order_id)
            if Payment.objects.filter(order=order).exists():
                return refuse()
            Payment.objects.create(order=order, method=by)
            transaction.on_commit(  # act: confirm_twin
                lambda: send_mail("Paid", f"by {by}", None, [order.customer])
            )
    except IntegrityError:
        return refuse()
    return HttpResponse(status=201)
