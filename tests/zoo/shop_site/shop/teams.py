"""Teams: somebody has to stay, somebody has to be on duty."""

from functools import wraps

from django.db import OperationalError, transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from shop.models import Invite, Membership, Team


@require_POST
@transaction.atomic
def leave(request, membership_id):
    """Two owners may leave at once, each seeing the other stay."""
    mine = get_object_or_404(Membership, pk=membership_id)
    if Membership.objects.filter(team_id=mine.team_id, is_owner=True).count() < 2:  # read, test: leave
        return JsonResponse({"error": "the last owner stays"}, status=409)
    mine.delete()  # act: leave
    return HttpResponse(status=204)


@require_POST
@transaction.atomic
def leave_in_turn(request, membership_id):
    mine = get_object_or_404(Membership, pk=membership_id)
    Team.objects.select_for_update().get(pk=mine.team_id)
    if Membership.objects.filter(team_id=mine.team_id, is_owner=True).count() < 2:
        return JsonResponse({"error": "the last owner stays"}, status=409)
    mine.delete()  # act: leave_twin
    return HttpResponse(status=204)


@require_POST
def accept(request, invite_id):
    """Joins and throws the invite away; two clicks join twice."""
    invite = get_object_or_404(Invite, pk=invite_id)  # read: accept
    Membership.objects.create(team_id=invite.team_id, person=request.POST["person"], is_owner=False)
    invite.delete()  # act: accept
    return HttpResponse(status=201)


@require_POST
@transaction.atomic
def accept_deleting_first(request, invite_id):
    invite = get_object_or_404(Invite, pk=invite_id)
    deleted, _ = Invite.objects.filter(pk=invite_id).delete()
    if not deleted:
        raise Http404
    Membership.objects.create(  # act: accept_twin
        team_id=invite.team_id, person=request.POST["person"], is_owner=False
    )
    return HttpResponse(status=201)


def go_off_duty(membership_id):
    """Whether somebody else of the team is on duty, so that this one could go."""
    mine = Membership.objects.get(pk=membership_id)
    others = Membership.objects.filter(team_id=mine.team_id, on_duty=True).exclude(pk=mine.pk)
    if not others.exists():  # read, test: off_duty
        return False
    mine.on_duty = False
    mine.save(update_fields=["on_duty"])  # act: off_duty  # act: off_duty_twin
    return True


@require_POST
@transaction.atomic
def off_duty(request, membership_id):
    """Under snapshot isolation each sees the other on duty, and the rows written differ: a write skew."""
    return HttpResponse(status=204 if go_off_duty(membership_id) else 409)


def serializable_with_retry(view):
    """Runs the view in a serializable transaction, again while PostgreSQL refuses to put it in an order."""

    @wraps(view)
    def again(*args, **kwargs):
        for _ in range(3):
            try:
                with transaction.atomic():
                    with transaction.get_connection().cursor() as cursor:
                        cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                    return view(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != "40001":
                    raise
        return HttpResponse(status=503)

    return again


@require_POST
@serializable_with_retry
def off_duty_serializable(request, membership_id):
    return HttpResponse(status=204 if go_off_duty(membership_id) else 409)
