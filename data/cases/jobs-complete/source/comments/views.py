"""Comments on a job: read them, write one."""

from django.http import JsonResponse
from django.views.decorators.http import require_http_methods

from comments.models import Comment
from jobs.models import Job
from jobs.payloads import BadPayload, read_job_id, read_payload
from jobs.views import api

PAGE = 50


@require_http_methods(["GET", "POST"])
@api
def comments(request):
    if request.method == "GET":
        return read_comments(request)
    payload = read_payload(request)
    job = Job.objects.get(pk=read_job_id(request, payload))
    text = str(payload.get("text", "")).strip()
    if not text:
        raise BadPayload("the comment is empty")
    comment = Comment.objects.create(job=job, author=request.user, text=text)
    return JsonResponse({"id": comment.pk}, status=201)


def read_comments(request):
    job_id = request.GET.get("job", "")
    if not job_id.isdecimal():
        raise BadPayload("job is not a number")
    request.META["JOB"] = job_id
    latest = Comment.objects.select_related("author").filter(job_id=job_id)
    return JsonResponse(
        {
            "comments": [
                {"author": comment.author.name, "text": comment.text}
                for comment in latest.order_by("-created_at")[:PAGE]
            ]
        }
    )
