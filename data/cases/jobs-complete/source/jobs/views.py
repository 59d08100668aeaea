"""The jobs API: list, look at, start, report progress, complete."""

import logging
import time
from functools import wraps

from django.db.models import Count
from django.http import JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.models import Job, JobCompletion, JobEvent
from jobs.payloads import BadPayload, read_job_id, read_payload, read_result, read_seconds
from jobs.validation import check_result

logger = logging.getLogger(__name__)

PAGE = 20


def refuse(message, status=400):
    return JsonResponse({"error": message}, status=status)


def api(view):
    """Answers 400 to what the client can mend and 404 to what is not there."""

    @wraps(view)
    def answer(request, *args, **kwargs):
        try:
            return view(request, *args, **kwargs)
        except BadPayload as error:
            return refuse(str(error))
        except Job.DoesNotExist:
            return refuse("no such job", 404)

    return answer


def place_in_queue(job):
    """The how-manieth completion of its queue a job is."""
    done = JobCompletion.objects.filter(job__queue=job.queue, status=Job.COMPLETED)
    return done.count() + 1


@require_GET
def list_jobs(request):
    jobs = Job.objects.filter(assignee=request.user)
    status = request.GET.get("status")
    if status:
        jobs = jobs.filter(status=status)
    return JsonResponse({"jobs": [job.as_json() for job in jobs.order_by("pk")[:PAGE]]})


@require_http_methods(["GET", "PUT"])
@api
def job_detail(request, job_id):
    request.META["JOB"] = str(job_id)
    if request.method == "PUT":
        return report_progress(request, job_id)
    jobs = Job.objects.annotate(comment_count=Count("comments"))
    job = jobs.get(pk=job_id, assignee=request.user)
    return JsonResponse({**job.as_json(), "comments": job.comment_count})


def report_progress(request, job_id):
    """Sets the progress of a job in progress; saying it twice changes nothing."""
    payload = read_payload(request)
    seconds = read_seconds(payload)
    progress = max(0, min(100, int(payload.get("progress", 0))))
    mine = Job.objects.filter(pk=job_id, assignee=request.user, status=Job.IN_PROGRESS)
    if not mine.update(progress=progress):
        return refuse("the job is not in progress")
    logger.info("job %s at %s %% after %.0f s", job_id, progress, seconds)
    return JsonResponse({"id": job_id, "progress": progress})


@require_POST
@api
def start_job(request):
    payload = read_payload(request)
    job_id = read_job_id(request, payload)
    mine = Job.objects.filter(pk=job_id, assignee=request.user, status=Job.OPEN)
    if not mine.update(status=Job.IN_PROGRESS, started_at=timezone.now()):
        return refuse("the job is not open")
    job = Job.objects.get(pk=job_id)
    JobEvent.objects.create(job=job, queue=job.queue, kind="started")
    return JsonResponse(job.as_json())


@require_POST
@api
def complete_job(request):
    payload = read_payload(request)
    job_id = read_job_id(request, payload)
    result = read_result(payload)
    seconds = read_seconds(payload)

    job = Job.objects.get(pk=job_id, assignee=request.user)
    if job.status != Job.IN_PROGRESS:
        return refuse("already completed")
    started = time.monotonic()
    seal = check_result(job, result, seconds)
    validated_ms = 1000 * (time.monotonic() - started)

    job.status = Job.COMPLETED
    job.completed_at = timezone.now()
    job.progress = 100
    job.result = result
    job.seal = seal
    job.save()
    JobCompletion.objects.create(
        job=job,
        user=request.user,
        status=Job.COMPLETED,
        seal=seal,
        place=place_in_queue(job),
    )
    logger.info("job %s completed, validated in %.0f ms", job_id, validated_ms)
    return JsonResponse(job.as_json())
