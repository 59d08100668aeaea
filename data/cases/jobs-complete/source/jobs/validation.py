"""Is a result what its client says it is?"""

import hashlib
import logging

from django.db.models import Avg, StdDev

from jobs.models import JobEvent

logger = logging.getLogger(__name__)

ROUNDS = 2_500
UNUSUAL = 6


def seal_of(pages):
    """One checksum over all pages in their order, slow on purpose to forge."""
    seal = b"jobs"
    for page in pages:
        seal = hashlib.pbkdf2_hmac("sha256", str(page).encode(), seal, ROUNDS)
    return seal.hex()


def check_result(job, result, seconds):
    """The result's seal; working times far from the queue's usual ones are logged."""
    usual = JobEvent.objects.filter(queue=job.queue, kind="worked").aggregate(
        mean=Avg("seconds"), spread=StdDev("seconds")
    )
    if usual["spread"] and abs(seconds - usual["mean"]) > UNUSUAL * usual["spread"]:
        logger.warning(
            "job %s: %.0f s of work, usual in %s is %.0f s",
            job.pk, seconds, job.queue, usual["mean"],
        )
    return seal_of(result["pages"])
