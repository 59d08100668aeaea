"""A small shop that sells tickets, takes reviews and writes invoices."""

from django.conf import settings
from django.db import models, transaction
from django.db.models import F


class Product(models.Model):
    name = models.CharField(max_length=80)


class Review(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="reviews")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["product", "author"], name="one_review_each")]


class Wish(models.Model):
    """Nothing in the database keeps a product from being wished for twice."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    email = models.EmailField()
    note = models.CharField(max_length=80, default="")


class Customer(models.Model):
    name = models.CharField(max_length=80)
    phone = models.CharField(max_length=20, default="")
    city = models.CharField(max_length=40, default="")


class Cart(models.Model):
    customer = models.OneToOneField(Customer, on_delete=models.CASCADE)
    coupon = models.CharField(max_length=20, default="")


class Subscription(models.Model):
    """Unconstrained, as it was before anybody subscribed twice."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    topic = models.CharField(max_length=40)
    source = models.CharField(max_length=20, default="")


class Alert(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    topic = models.CharField(max_length=40)
    source = models.CharField(max_length=20, default="")

    class Meta:
        unique_together = [("customer", "topic")]


class Article(models.Model):
    title = models.CharField(max_length=80)
    likes = models.IntegerField(default=0)


class VoucherSpent(Exception):
    """A voucher has no use left."""


class VoucherManager(models.Manager):
    def redeem(self, code, email):
        """One UPDATE decides who gets the last use."""
        with transaction.atomic():
            free = self.filter(code=code, used__lt=F("uses"))
            if not free.update(used=F("used") + 1):
                raise VoucherSpent(code)
            Redemption.objects.create(voucher=self.get(code=code), email=email)  # act: redeem_twin


class Voucher(models.Model):
    code = models.CharField(max_length=20, unique=True)
    uses = models.PositiveIntegerField(default=1)
    used = models.PositiveIntegerField(default=0)

    objects = VoucherManager()

    @property
    def is_spent(self):
        return self.used >= self.uses

    def redeem(self, email):
        if self.is_spent:  # test: redeem
            raise VoucherSpent(self.code)
        self.used += 1
        self.save()  # act: redeem
        return Redemption.objects.create(voucher=self, email=email)


class Redemption(models.Model):
    voucher = models.ForeignKey(Voucher, on_delete=models.CASCADE)
    email = models.EmailField()


class Event(models.Model):
    title = models.CharField(max_length=80)
    capacity = models.PositiveIntegerField(default=1)


class Ticket(models.Model):
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="tickets")
    holder = models.EmailField()


class SeatBooking(models.Model):
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    seat = models.CharField(max_length=8)
    holder = models.EmailField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "seat"], name="one_holder_a_seat")]


class Account(models.Model):
    name = models.CharField(max_length=80)


class Invoice(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    order = models.ForeignKey("Order", on_delete=models.CASCADE)
    number = models.PositiveIntegerField()


class Receipt(models.Model):
    """An invoice's younger sister: its number is unique."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    order = models.ForeignKey("Order", on_delete=models.CASCADE)
    number = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "number"], name="one_receipt_a_number")]


class Wallet(models.Model):
    owner = models.CharField(max_length=80)
    cents = models.IntegerField(default=0)


class Order(models.Model):
    OPEN, PAID, CANCELLED = "open", "paid", "cancelled"

    customer = models.CharField(max_length=80)
    cents = models.IntegerField()
    status = models.CharField(max_length=12, default=OPEN)
    reason = models.CharField(max_length=80, default="")
    paid_by = models.CharField(max_length=80, default="")


class Refund(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    cents = models.IntegerField()


class Payment(models.Model):
    """The record that the accounts read: one an order."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE)
    method = models.CharField(max_length=20)


class Charge(models.Model):
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE)
    cents = models.IntegerField()


class KeyedCharge(models.Model):
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE)
    cents = models.IntegerField()
    idempotency_key = models.CharField(max_length=40, unique=True)


class Team(models.Model):
    name = models.CharField(max_length=80)


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    person = models.CharField(max_length=80)
    is_owner = models.BooleanField(default=True)
    on_duty = models.BooleanField(default=True)


class Invite(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    email = models.EmailField()


class DayBudget(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    day = models.DateField()
    spent = models.IntegerField(default=0)


class DayLimit(models.Model):
    """A day's budget that the database allows once."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    day = models.DateField()
    spent = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "day"], name="one_limit_a_day")]
