"""Carts and what is in them; class-based views over services."""

from django.http import HttpResponse, JsonResponse
from django.views import View

from shop.models import Alert, Cart, Customer, Subscription


def cart_of(customer_id, coupon):
    try:
        return Cart.objects.get(customer_id=customer_id)  # read: open_cart
    except Cart.DoesNotExist:  # test: open_cart
        return Cart.objects.create(customer_id=customer_id, coupon=coupon)  # act: open_cart


class OpenCart(View):
    def post(self, request, customer_id):
        cart = cart_of(customer_id, request.POST["coupon"])
        return JsonResponse({"id": cart.pk, "coupon": cart.coupon})


class OpenTheOneCart(View):
    def post(self, request, customer_id):
        cart, _ = Cart.objects.get_or_create(  # act: open_cart_twin
            customer_id=customer_id, defaults={"coupon": request.POST["coupon"]}
        )
        return JsonResponse({"id": cart.pk, "coupon": cart.coupon})


class Subscribe(View):
    def post(self, request, customer_id):
        _, created = Subscription.objects.get_or_create(  # read, act: subscribe
            customer_id=customer_id, topic=request.POST["topic"], defaults={"source": request.POST["source"]}
        )
        return HttpResponse(status=201 if created else 200)


class SubscribeToAlert(View):
    def post(self, request, customer_id):
        _, created = Alert.objects.get_or_create(  # act: subscribe_twin
            customer_id=customer_id, topic=request.POST["topic"], defaults={"source": request.POST["source"]}
        )
        return HttpResponse(status=201 if created else 200)


class EditCustomer(View):
    """Sets what the form names and saves all."""

    def post(self, request, customer_id):
        customer = Customer.objects.get(pk=customer_id)  # read: edit_customer
        if "phone" in request.POST:
            customer.phone = request.POST["phone"]
        if "city" in request.POST:
            customer.city = request.POST["city"]
        customer.save()  # act: edit_customer
        return HttpResponse(status=204)


class EditCustomerFields(View):
    def post(self, request, customer_id):
        customer = Customer.objects.get(pk=customer_id)
        changed = [name for name in ("phone", "city") if name in request.POST]
        for name in changed:
            setattr(customer, name, request.POST[name])
        customer.save(update_fields=changed)  # act: edit_customer_twin
        return HttpResponse(status=204)
