"""Views that meet each other: in rows, in locks of rows, and outside of the database."""

import json
import threading
import time

from django.core.cache import cache
from django.core.mail import send_mail
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Sum
from django.http import HttpResponse, JsonResponse

from vault.models import Box, Slip

LOCK = threading.Lock()


def add(request):
    """A lost update."""
    box = Box.objects.get(pk=1)
    box.coins += json.loads(request.body)["coins"]
    box.save()
    return JsonResponse({"coins": box.coins})


@transaction.atomic
def add_locked(request):
    """Its cure: the second one waits before it reads."""
    box = Box.objects.select_for_update().get(pk=1)
    box.coins += json.loads(request.body)["coins"]
    box.save()
    Slip.objects.create(box=box, writer="x")
    return JsonResponse({"coins": box.coins})


@transaction.atomic
def swap(request):
    """Two rows, in the order that the body names: a deadlock if the other one names the other order."""
    for pk in json.loads(request.body)["boxes"]:
        Box.objects.filter(pk=pk).update(coins=F("coins") + 1)
    return JsonResponse({})


def hold(request):
    """A lock of Python's around a statement: who stops within it blocks the other outside of PostgreSQL."""
    with LOCK:
        return JsonResponse({"boxes": Box.objects.count()})


def sleep(request):
    time.sleep(60)
    return JsonResponse({"boxes": Box.objects.count()})


@transaction.atomic
def first_come(request):
    """Does not wait: answers the conflict."""
    try:
        box = Box.objects.select_for_update(nowait=True).get(pk=1)
    except OperationalError:
        return JsonResponse({"error": "busy"}, status=409)
    box.coins += 1
    box.save()
    return JsonResponse({"coins": box.coins})


def advised(request):
    """An advisory lock of the session, which outlives the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7)")
        box = Box.objects.get(pk=1)
        Box.objects.filter(pk=1).update(coins=box.coins + 1)
        if json.loads(request.body).get("forget") is None:
            cursor.execute("SELECT pg_advisory_unlock(7)")
    return JsonResponse({})


def mine(request):
    """Needs a session, and a form's field."""
    if not request.user.is_authenticated:
        return HttpResponse(status=403)
    Slip.objects.create(box_id=1, writer=f"{request.user} {request.POST['note']}")
    return JsonResponse({}, status=201)


def remember(request):
    """The second one finds in the cache what the first one put there."""
    if not cache.add("seen", 1):
        return JsonResponse({"seen": True})
    Slip.objects.create(box_id=1, writer="first")
    return JsonResponse({"seen": False}, status=201)


def confirm(request):
    """A savepoint that is rolled back, then a callback after the commit."""
    with transaction.atomic():
        Box.objects.filter(pk=2).update(coins=5)
        try:
            with transaction.atomic():
                Slip.objects.create(pk=1, box_id=1, writer="twice")
        except IntegrityError:
            pass
        transaction.on_commit(lambda: Slip.objects.create(box_id=2, writer="after"))
    return JsonResponse({})


@transaction.atomic
def whole(request):
    """Sums, then writes what it saw: write skew, unless serializable."""
    total = Box.objects.aggregate(total=Sum("coins"))["total"]
    Box.objects.create(coins=total)
    return JsonResponse({"total": total})


def count(request):
    return JsonResponse({"boxes": Box.objects.count()})


def tell(request):
    send_mail("paid", "thank you", "shop@example.org", ["ada@example.org"])
    Box.objects.count()
    return JsonResponse({})


def hand_on(request):
    """Leaves the work to a thread of its own."""
    worker = threading.Thread(target=lambda: list(Box.objects.all()))
    worker.start()
    worker.join()
    return JsonResponse({})


async def later(request):
    return JsonResponse({"boxes": await Box.objects.acount()})


def loud(request):
    """Prints, as people do, and goes wrong."""
    print("a print of the application's own")
    Box.objects.count()
    raise LookupError("no such box")
