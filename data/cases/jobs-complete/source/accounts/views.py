"""The user who asks."""

from django.http import JsonResponse
from django.views.decorators.http import require_GET

from jobs.models import Job


@require_GET
def me(request):
    user = request.user
    return JsonResponse(
        {
            "name": user.name,
            "full_name": user.full_name,
            "team": user.team,
            "in_progress": Job.objects.filter(assignee=user, status=Job.IN_PROGRESS).count(),
        }
    )
