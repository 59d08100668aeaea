"""Views that race, each followed by one that looks alike and does not."""

import threading

from django.core.cache import cache
from django.core.mail import send_mail
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.http import HttpResponse, JsonResponse
from django.utils import timezone

from shop.models import Receipt, Review, Voucher

ONE_AT_A_TIME = threading.Lock()


@transaction.non_atomic_requests
def use(request):
    """A lost update: both add one to the same number."""
    voucher = Voucher.objects.get()
    voucher.used += 1
    voucher.save()
    return JsonResponse({"used": "once more", "at": timezone.now().isoformat()})


@transaction.non_atomic_requests
def use_safely(request):
    Voucher.objects.update(used=F("used") + 1)
    return JsonResponse({"used": "once more", "at": timezone.now().isoformat()})


def review(request):
    """A check, then an insert; ATOMIC_REQUESTS does not help."""
    if Review.objects.exists():
        return HttpResponse("there is one", status=409)
    Review.objects.create(voucher=Voucher.objects.get(), text=request.POST["text"])
    return HttpResponse("thank you", status=201)


def review_locked(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(7)")
    return review(request)


@transaction.non_atomic_requests
def receipt(request):
    """Keys are random, one number is used up by the loser's rolled-back insert, and the answer tells them all."""
    for _ in range(3):
        try:
            with transaction.atomic():
                text = f"for {request.POST['text']}"
                made = Review.objects.create(voucher=Voucher.objects.get(), text=text)
                if Receipt.objects.exists():
                    kept = Review.objects.create(voucher=made.voucher, text=f"second {text}")
                    return JsonResponse({"reviews": [made.pk, kept.pk]})
                key = Receipt.objects.create(voucher=made.voucher, review=made).pk
                return JsonResponse({"reviews": [made.pk], "url": f"/receipts/{key}/"}, status=201)
        except IntegrityError:
            continue
    return HttpResponse(status=503)


@transaction.non_atomic_requests
def crossed(request):
    """The two write the same rows in opposite order."""
    with transaction.atomic():
        for pk in request.POST["order"].split(","):
            Voucher.objects.filter(pk=pk).update(used=F("used") + 1)
    return HttpResponse("done")


@transaction.non_atomic_requests
def crossed_retried(request):
    for _ in range(3):
        try:
            return crossed(request)
        except OperationalError:
            continue
    return HttpResponse(status=503)


@transaction.non_atomic_requests
def in_turn(request):
    """Waits for a lock that PostgreSQL knows nothing of."""
    with ONE_AT_A_TIME:
        Voucher.objects.update(used=F("used") + 1)
        Voucher.objects.update(note="used")
    return HttpResponse("done")


@transaction.non_atomic_requests
def sign(request):
    """Needs a user who is logged in; a race between two of them."""
    if not request.user.is_authenticated:
        return HttpResponse("who are you?", status=403)
    voucher = Voucher.objects.get()
    voucher.note = f"{voucher.note}{request.user.username},"
    voucher.save()
    return HttpResponse(f"<p>signed by {request.user.username}</p>")


@transaction.non_atomic_requests
def watch(request):
    """Fails where somebody else changes the row meanwhile; each says so with its own words."""
    before = Voucher.objects.get()
    Voucher.objects.update(used=F("used") + 1)
    if Voucher.objects.get().used != before.used + 1:
        raise ValueError(f"{request.POST['text']} was overtaken")
    return HttpResponse("done")


@transaction.non_atomic_requests
def look(request):
    """Writes nothing."""
    return HttpResponse(Voucher.objects.get().note)


@transaction.non_atomic_requests
def once(request):
    """The cache lets one through, and only one."""
    if not cache.add("used", request.POST["text"]):
        return HttpResponse("too late", status=409)
    Voucher.objects.update(used=F("used") + 1)
    return HttpResponse("done")


@transaction.non_atomic_requests
def tell(request):
    """Two mails for one voucher; the rows and the answers do not show it."""
    if not Voucher.objects.get().used:
        Voucher.objects.update(used=1)
        send_mail("used", timezone.now().isoformat(), None, ["ada@shop.example"])
    return HttpResponse("done")


@transaction.non_atomic_requests
def tell_once(request):
    if Voucher.objects.filter(used=0).update(used=1):
        send_mail("used", timezone.now().isoformat(), None, ["ada@shop.example"])
    return HttpResponse("done")


VIEWS = (
    use,
    use_safely,
    review,
    review_locked,
    receipt,
    crossed,
    crossed_retried,
    in_turn,
    sign,
    watch,
    look,
    once,
    tell,
    tell_once,
)
