"""gunicorn: three workers of four threads, and an access log that knows milliseconds."""

import os

workers = int(os.environ.get("WEB_CONCURRENCY", "3"))
threads = 4
worker_class = "gthread"
timeout = 30
graceful_timeout = 30
keepalive = 5

access_log_format = (
    '%({x-forwarded-for}i)s "%(r)s" %(s)s %(L)s'
    " job=%({JOB}e)s user=%({USER_NAME}e)s request_id=%({REQUEST_ID}e)s"
)
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "access": {
            "()": "config.logs.UtcFormatter",
            "format": "[%(asctime)s.%(msecs)03d] %(process)d %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S",
        },
        "plain": {"format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"},
    },
    "handlers": {
        "access": {
            "class": "config.logs.WholeRecordHandler",
            "path": os.environ.get("ACCESS_LOG", "/dev/stdout"),
            "formatter": "access",
        },
        "plain": {"class": "logging.StreamHandler", "formatter": "plain"},
    },
    "root": {"handlers": [], "level": "INFO"},
    "loggers": {
        "gunicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        "gunicorn.error": {"handlers": ["plain"], "level": "INFO", "propagate": False},
    },
}
