"""The words of Django's query interface and of its neighbours, by what they do.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/
"""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SELECTS_LAZILY = words(
    "all filter exclude annotate alias order_by reverse distinct using select_related "
    "prefetch_related only defer extra union intersection difference values values_list dates "
    "datetimes select_for_update none complex_filter get_queryset with_entity iterator"
)
NARROWS = words("filter exclude complex_filter")
READS_ONE = words("get first last latest earliest aget afirst alast alatest aearliest")
RAISES_ABSENT = words(
    "get aget latest alatest earliest aearliest get_object_or_404 aget_object_or_404 get_object"
)
READS_MANY = words("in_bulk ain_bulk raw")
READS_FIGURE = words("exists aexists count acount aggregate aaggregate contains acontains")
DROPS_LOCK = words("count acount aggregate aaggregate delete adelete update aupdate")
INSERTS = words("create acreate bulk_create abulk_create create_user create_superuser")
GETS_OR_INSERTS = words("get_or_create aget_or_create update_or_create aupdate_or_create")
CHANGES = words("update aupdate bulk_update abulk_update")
DELETES = words("delete adelete")
RELATES = words("add aadd remove aremove set aset clear aclear")
QUERYSET_METHODS = (
    SELECTS_LAZILY
    | READS_ONE
    | READS_MANY
    | READS_FIGURE
    | INSERTS
    | GETS_OR_INSERTS
    | CHANGES
    | DELETES
    | RELATES
)
# Names that few things but a queryset have: enough to take an unknown receiver for one.
TELLTALE = words(
    "filter exclude select_for_update select_related prefetch_related get_or_create update_or_create "
    "bulk_create bulk_update aggregate annotate values_list exists order_by in_bulk aget_or_create "
    "aupdate_or_create aexists acount afirst"
)
MANAGERS = words("objects _default_manager _base_manager all_objects default_manager")
SAVES = words("save asave save_base")
REFRESHES = words("refresh_from_db arefresh_from_db")
VALIDATES_UNIQUE = words("full_clean validate_unique validate_constraints")
GETS_OR_404 = words("get_object_or_404 aget_object_or_404 get_list_or_404 aget_list_or_404")
SENDS = words("delay apply_async async_task send_task enqueue send_with_options enqueue_in enqueue_at")
MAILS = words("send_mail send_mass_mail mail_admins mail_managers email_user send_messages")
CALLS_OUT = ("requests.", "httpx.", "urllib.request.urlopen", "stripe.", "boto3.", "aiohttp.")
CALLS_OUT_VERBS = words("post put patch delete request urlopen create capture confirm refund")
ABSENT_ERRORS = words("DoesNotExist ObjectDoesNotExist Http404 Exception NotFound NoResultFound")
DATABASE_VALUES = words(
    "F Now Subquery OuterRef Case When Coalesce Concat Greatest Least ExpressionWrapper RawSQL"
)
FIGURES = words("len sum max min any all bool int float str round abs Decimal")
GATHERS = words("list set tuple sorted dict frozenset iter next enumerate zip reversed map filter cast chain")
COMMON_METHODS = words(
    "get set add pop items keys values append extend update clear copy join split strip format encode "
    "decode read write close open save delete create send run start stop execute process handle log "
    "info debug warning error exception validate clean render dispatch setup is_valid count index "
    "sort remove insert find replace lower upper load dump dumps loads post put patch head match "
    "search group call __init__ to_dict as_json"
)


def is_lock_name(name: str) -> bool:
    """Does a name speak of a lock that a block or function runs under? `advisory_lock`, `redis.lock`, `LockModel`."""
    last = name.rsplit(".", 1)[-1].lower()
    if any(
        word in last for word in ("unlock", "block", "clock", "locked_out", "lockout", "nolock", "lock_and")
    ):
        return any(word in last for word in ("advisory", "pglock"))
    return (
        "lock" in last
        or "mutex" in last
        or "semaphore" in last
        or "synchronized" in last
        or "serializable" in last
    )


def is_atomic_name(name: str) -> bool:
    """`transaction.atomic`, `atomic`, and wrappers that say so: `traced_atomic_transaction`."""
    last = name.rsplit(".", 1)[-1].lower()
    return ("atomic" in last and "non_atomic" not in last) or last in ("commit_on_success", "transaction")
