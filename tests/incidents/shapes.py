"""How the logs of each made-up incident look: what they name, how fine their clocks are, what is missing."""

from dataclasses import dataclass, field

MS = 1_000


@dataclass(frozen=True)
class Route:
    """A path (`{id}` is what the request is about) and what it asks of the database (`{id}`, `{user}`, `{token}`)."""

    method: str
    path: str
    statements: tuple[str, ...]
    share: float
    mean_ms: float = 25.0
    doubled: float = 0.0  # share of its requests that come twice, 1 to 30 ms apart
    in_transaction: bool = False


JOBS = (
    Route(
        "POST",
        "/api/jobs/complete",
        (
            "SELECT * FROM token WHERE key = '{token}'",
            "SELECT * FROM job WHERE id = {id}",
            "UPDATE job SET status = 'completed' WHERE id = {id}",
            "INSERT INTO completion (job_id) VALUES ({id})",
        ),
        0.3,
        30,
        0.15,
        True,
    ),
    Route(
        "GET", "/api/jobs", ("SELECT * FROM token WHERE key = '{token}'", "SELECT * FROM job LIMIT 20"), 0.4
    ),
    Route(
        "GET",
        "/api/jobs/{id}",
        ("SELECT * FROM token WHERE key = '{token}'", "SELECT * FROM job WHERE id = {id}"),
        0.3,
    ),
)
SHOP = (
    Route(
        "POST",
        "/shop/cart/{id}/checkout",
        (
            "SELECT cart.* FROM cart WHERE cart.id = {id} AND cart.owner = '{user}'",
            "SELECT count(*) FROM payment WHERE cart_id = {id}",
            "INSERT INTO payment (cart_id, owner) VALUES ({id}, '{user}')",
        ),
        0.25,
        60,
        0.2,
    ),
    Route("GET", "/shop/cart/{id}", ("SELECT cart.* FROM cart WHERE cart.id = {id}",), 0.35, 15),
    Route("GET", "/shop/search", ("SELECT * FROM product WHERE name LIKE '%shoe%' LIMIT 40",), 0.4, 40),
)
FLASK = "Exception on {path} [{method}]"
DJANGO = "Internal Server Error: {path}"


@dataclass(frozen=True)
class App:
    """One application: its routes and how it tells of an error."""

    name: str
    routes: tuple[Route, ...] = JOBS
    error: str = DJANGO
    logger: str = "django.request"


@dataclass(frozen=True)
class Shape:
    """What the logs show. Times in µs."""

    name: str
    apps: tuple[App, ...] = (App("jobs"),)
    requests: int = 3_000
    rate_s: float = 40.0  # requests that come in a second
    workers: int = 8
    with_process: bool = True
    with_entity: bool = True
    with_user: bool = True
    access_us: int = MS
    access_lag_us: int = MS
    with_duration: bool = True
    error_us: int = 1_000 * MS
    with_key: bool = True  # errors of doubled requests name the key
    bugs: float = 0.005  # share of requests that fail of something that names no key
    skew_us: int = 0  # how far the clocks of application and database log are ahead, undeclared
    missing: float = 0.0  # share of requests that the access log does not show
    pooled: bool = False  # sessions go from worker to worker with each transaction
    known_to: dict[str, float] = field(default_factory=dict)  # least recall held, by table


SHAPES = (
    Shape("as captured", known_to={"exceptions": 0.95, "statements": 0.95}),
    Shape(
        "another app",
        (App("shop", SHOP, FLASK, "shop.app"),),
        known_to={"exceptions": 0.95, "statements": 0.7},
    ),
    Shape("entity in the body only", with_entity=False, known_to={"exceptions": 0.9, "statements": 0.95}),
    Shape(
        "default access log",
        with_entity=False,
        with_user=False,
        with_process=False,
        access_us=1_000 * MS,
        with_duration=False,
    ),
    Shape(
        "stamps to the second",
        access_us=1_000 * MS,
        rate_s=10,
        known_to={"exceptions": 0.95, "statements": 0.95},
    ),
    Shape("workers unnamed", with_process=False, known_to={"exceptions": 0.95, "statements": 0.95}),
    Shape(
        "busy",
        with_process=False,
        rate_s=200,
        workers=32,
        requests=5_000,
        known_to={"exceptions": 0.9, "statements": 0.95},
    ),
    Shape("clocks 20 ms apart", skew_us=20 * MS, known_to={"exceptions": 0.9}),
    Shape("clocks 3 ms apart", skew_us=3 * MS, known_to={"exceptions": 0.9, "statements": 0.5}),
    Shape("clocks 5 s apart", skew_us=5_000 * MS),
    Shape("clock behind by 20 ms", skew_us=-20 * MS, known_to={"exceptions": 0.9}),
    Shape(
        "two apps in one log",
        (App("jobs"), App("jobs-b", JOBS, DJANGO)),
        known_to={"exceptions": 0.95, "statements": 0.95},
    ),
    Shape("a tenth of requests unlogged", missing=0.1, known_to={"exceptions": 0.7, "statements": 0.65}),
    Shape(
        "no keys in errors", with_key=False, error_us=MS, known_to={"exceptions": 0.95, "statements": 0.95}
    ),
    Shape("sessions pooled", pooled=True, known_to={"exceptions": 0.95}),
)
