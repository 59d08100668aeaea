"""Vouchers, likes and tickets: what can be counted, and what runs out."""

from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from shop.models import Article, Event, SeatBooking, Ticket, Voucher, VoucherSpent


@require_POST
def redeem(request, code):
    voucher = get_object_or_404(Voucher, code=code)  # read: redeem
    try:
        voucher.redeem(request.POST["email"])
    except VoucherSpent:
        return JsonResponse({"error": "spent"}, status=409)
    return HttpResponse(status=201)


@require_POST
def redeem_conditionally(request, code):
    try:
        Voucher.objects.redeem(code, request.POST["email"])
    except VoucherSpent:
        return JsonResponse({"error": "spent"}, status=409)
    return HttpResponse(status=201)


@require_POST
def like(request, article_id):
    article = get_object_or_404(Article, pk=article_id)  # read: like
    article.likes += int(request.POST.get("weight", 1))
    article.save()  # act: like
    return HttpResponse(status=204)


@require_POST
def like_in_the_database(request, article_id):
    article = get_object_or_404(Article, pk=article_id)
    article.likes = F("likes") + int(request.POST.get("weight", 1))
    article.save(update_fields=["likes"])  # act: like_twin
    return HttpResponse(status=204)


@require_POST
@transaction.atomic
def buy_ticket(request, event_id):
    event = get_object_or_404(Event, pk=event_id)
    if event.tickets.count() >= event.capacity:  # read, test: buy_ticket
        return JsonResponse({"error": "sold out"}, status=409)
    event.tickets.create(holder=request.POST["email"])  # act: buy_ticket
    return HttpResponse(status=201)


@require_POST
@transaction.atomic
def buy_ticket_in_turn(request, event_id):
    event = get_object_or_404(Event.objects.select_for_update(), pk=event_id)
    if Ticket.objects.filter(event=event).count() >= event.capacity:
        return JsonResponse({"error": "sold out"}, status=409)
    Ticket.objects.create(event=event, holder=request.POST["email"])  # act: buy_ticket_twin
    return HttpResponse(status=201)


@require_POST
def book_seat(request, event_id, seat):
    taken = SeatBooking.objects.filter(event_id=event_id, seat=seat).first()  # read: book_seat
    if taken is not None:  # test: book_seat
        return JsonResponse({"error": "taken"}, status=409)
    booking = SeatBooking(event_id=event_id, seat=seat, holder=request.POST["email"])
    booking.save()  # act: book_seat
    return HttpResponse(status=201)


@require_POST
def book_seat_answering_conflicts(request, event_id, seat):
    if SeatBooking.objects.filter(event_id=event_id, seat=seat).exists():
        return JsonResponse({"error": "taken"}, status=409)
    try:
        SeatBooking.objects.create(  # act: book_seat_twin
            event_id=event_id, seat=seat, holder=request.POST["email"]
        )
    except IntegrityError:
        return JsonResponse({"error": "taken"}, status=409)
    return HttpResponse(status=201)


@require_POST
def give_back(request, ticket_id):
    if not Ticket.objects.filter(pk=ticket_id).exists():  # read, test: give_back
        return HttpResponse(status=404)
    ticket = Ticket.objects.get(pk=ticket_id)  # act: give_back
    ticket.delete()
    return JsonResponse({"holder": ticket.holder})


@require_POST
def give_back_counting(request, ticket_id):
    ticket = Ticket.objects.filter(pk=ticket_id).first()
    if ticket is None or not Ticket.objects.filter(pk=ticket_id).delete()[0]:
        return HttpResponse(status=404)
    return JsonResponse({"holder": ticket.holder})  # act: give_back_twin
