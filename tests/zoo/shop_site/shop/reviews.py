"""Reviews and wishes: one of each, says the shop."""

from django.db import IntegrityError, connection, transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from shop.models import Product, Review, Wish


@require_POST
def add_review(request, product_id):
    product = get_object_or_404(Product, pk=product_id)
    if Review.objects.filter(product=product, author=request.user).exists():  # read, test: add_review
        return JsonResponse({"error": "reviewed already"}, status=409)
    review = Review(product=product, author=request.user, text=request.POST["text"])
    review.save()  # act: add_review
    return JsonResponse({"id": review.pk}, status=201)


@require_POST
def add_review_answering_conflicts(request, product_id):
    product = get_object_or_404(Product, pk=product_id)
    try:
        with transaction.atomic():
            review = Review(product=product, author=request.user, text=request.POST["text"])
            review.save()  # act: add_review_twin
    except IntegrityError:
        return JsonResponse({"error": "reviewed already"}, status=409)
    return JsonResponse({"id": review.pk}, status=201)


def already_wished(product_id, email):
    return Wish.objects.filter(product_id=product_id, email=email).exists()  # read: add_wish


@require_POST
def add_wish(request, product_id):
    email = request.POST["email"]
    if already_wished(product_id, email):  # test: add_wish
        return HttpResponse(status=200)
    Wish.objects.create(product_id=product_id, email=email, note=request.POST["note"])  # act: add_wish
    return HttpResponse(status=201)


@require_POST
@transaction.atomic
def add_wish_one_at_a_time(request, product_id):
    email = request.POST["email"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"wish {product_id} {email}"])
    if already_wished(product_id, email):
        return HttpResponse(status=200)
    Wish.objects.create(product_id=product_id, email=email, note=request.POST["note"])  # act: add_wish_twin
    return HttpResponse(status=201)
