"""Formats of web servers, proxies and platforms: what their lines say, and what they only seem to say."""

import pytest

from analysis.evidence.formats import detect, parse, shipped

FORMATS = shipped()
HAPROXY = (
    "{client} [24/Nov/2026:06:00:59.177] web_in app/one 0/0/0/20/{took} {status} 59 - - {end} 1/1/0/0/0 0/0 "
    "{request}"
)
UWSGI = (
    "[pid: 7|app: 0|req: 1/1] 127.0.0.1 () {{28 vars in 365 bytes}} [Tue Nov 24 06:00:59 2026] GET /{path} "
    "=> generated 3 bytes in {took} (HTTP/1.1 200) 1 headers in 45 bytes (1 switches on core 0)"
)
ROUTER = (
    "2026-03-11T15:47:23.101000+00:00 heroku[router]: at={at} method=POST path={path} host=a.example.com "
    'request_id=0f3a fwd="203.0.113.7" dyno=web.1 connect=1ms service={service} status={status} bytes=9 protocol=https'
)


def haproxy(client="127.0.0.1:53518", took="20", status="200", end="----", request='"GET / HTTP/1.1"'):
    return parse(
        FORMATS["haproxy_http"],
        HAPROXY.format(client=client, took=took, status=status, end=end, request=request),
    )


def uwsgi(took="20 msecs", path=""):
    return parse(FORMATS["uwsgi"], UWSGI.format(took=took, path=path))


def router(at="info", path='"/"', service="12ms", status="200"):
    return parse(FORMATS["heroku"], ROUTER.format(at=at, path=path, service=service, status=status))


@pytest.mark.parametrize(
    ("marks", "names"),
    [
        (
            "start",
            ["apache_common", "envoy_access", "haproxy_http", "traefik_common", "traefik_json", "uwsgi"],
        ),
        ("finish", ["aws_alb", "aws_cloudfront", "caddy_access", "daphne_access", "heroku", "nginx_json"]),
        ("unknown", ["common_access", "w3c", "uvicorn_access"]),
        ("instant", ["apache_error", "docker_json", "journald_json", "kubernetes_cri", "nginx_error"]),
        ("instant", ["syslog_iso", "syslog_rfc5424"]),
    ],
)
def test_each_format_says_which_end_its_stamp_marks(marks, names):
    assert {FORMATS[name].stamp.marks for name in names} == {marks}


@pytest.mark.parametrize("status", ["-1", "0"])
def test_a_request_that_never_was_answered_has_no_status(status):
    row = haproxy(status=status, end="CR--", request='"<BADREQ>"')
    assert (row["parsed"], row["status"], row["method"], row["duration_us"]) == (True, None, None, 20_000)


def test_an_address_of_ipv6_is_not_cut_at_its_first_colon():
    assert haproxy(client="2001:db8::7:53518")["client_ip"] == "2001:db8::7"
    line = '2001:db8::7:44206 - - [24/Nov/2026:06:00:33] "GET /" 200 3'
    assert parse(FORMATS["daphne_access"], line)["client_ip"] == "2001:db8::7"


def test_a_captured_header_does_not_move_the_request():
    row = haproxy(request='{a 500 agent|GET /other HTTP/1.1} {} "GET /jobs HTTP/1.1"')
    assert (row["path"], row["status"]) == ("/jobs", 200)


def test_a_time_before_the_response_ended_is_no_duration():
    assert haproxy(took="+20") is None  # option logasap


@pytest.mark.parametrize(
    ("took", "duration_us", "step_us"),
    [("20 msecs", 20_000, 1_000), ("68 micros", 68, 1), ("0 msecs", 0, 1_000)],
)
def test_the_unit_that_uwsgi_wrote_is_the_unit(took, duration_us, step_us):
    row = uwsgi(took=took)
    assert (row["duration_us"], row["duration_step_us"]) == (duration_us, step_us)


def test_a_unit_that_uwsgi_does_not_write_is_refused():
    assert uwsgi(took="20 secs") is None


def test_words_in_a_path_are_no_duration():
    assert uwsgi(path="in-9-msecs?took=9%20msecs")["duration_us"] == 20_000


def test_an_error_that_names_a_request_is_not_a_second_request():
    line = (
        "2026/11/24 06:00:32 [error] 7#7: *3 upstream timed out, client: 127.0.0.1, server: , "
        'request: "POST /a"b HTTP/1.1", host: "jobs"'
    )
    row = parse(FORMATS["nginx_error"], line)
    assert (row["method"], row["path"], row["status"]) == (None, None, None)
    assert row["fields"] == {"connection": "3", "request_line": 'POST /a"b HTTP/1.1'}


def test_a_dynos_access_line_is_not_a_second_request():
    line = '2026-03-11T15:47:23+00:00 app[web.1]: 10.0.0.1 - - [11/Mar/2026 15:47:23] "GET / HTTP/1.1" 200 -'
    assert parse(FORMATS["heroku"], line)["method"] is None


def test_a_dyno_that_prints_a_routers_line_makes_no_request():
    line = ROUTER.format(at="info", path='"/"', service="12ms", status="200")
    rows = [parse(FORMATS["heroku"], each) for each in (line, line.replace("heroku[router]", "app[web.1]"))]
    assert [(row["process"], row["method"]) for row in rows] == [("router", "POST"), ("web.1", None)]


def test_a_router_line_keeps_its_error_and_its_path_with_or_without_quotes():
    row = router(
        at='error code=H12 desc="Request timeout"', path="/slow?job_id=7", service="30000ms", status="503"
    )
    assert (row["level"], row["path"], row["status"], row["duration_us"]) == (
        "error",
        "/slow?job_id=7",
        503,
        30_000_000,
    )
    assert (row["fields"]["code"], row["fields"]["reason_given"]) == ("H12", "Request timeout")


def test_no_service_time_is_no_duration():
    assert router(service="", status="503")["duration_us"] is None


def test_dockers_newline_goes_and_the_messages_own_stay():
    line = r'{"log":"a\n\nb \n","stream":"stderr","time":"2026-03-11T15:47:23.1Z"}'
    assert parse(FORMATS["docker_json"], line)["message"] == "a\n\nb "


def test_a_part_of_a_line_is_marked_as_one():
    rows = [
        parse(FORMATS["kubernetes_cri"], f"2026-03-11T15:47:23.1Z stdout {tag} 200 OK") for tag in ("P", "F")
    ]
    assert [(row["fields"]["tag"], row["message"]) for row in rows] == [("P", "200 OK"), ("F", "200 OK")]


@pytest.mark.parametrize(
    ("rest", "structured", "message"),
    [
        ("- no [such] job", None, "no [such] job"),
        (r'[a b="c\]d"][e f="g"] hi', r'[a b="c\]d"][e f="g"]', "hi"),
        ('[a b="c"]', '[a b="c"]', None),
        ("- \ufeffhi", None, "hi"),
    ],
)
def test_structured_data_is_not_the_message(rest, structured, message):
    row = parse(FORMATS["syslog_rfc5424"], f"<165>1 2026-11-24T06:10:33Z web1 jobs 7 - {rest}")
    assert (row["fields"].get("structured_data"), row["message"]) == (structured, message)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('{"time":"2026-03-11T15:47:23.1Z","level":"INFO","log":"a"}', {"docker_json"}),
        ('{"level":"info","ts":1795499964.8,"logger":"jobs","msg":"a"}', {"caddy_access"}),
        ('{"timestamp":"2026-03-11T15:47:23Z","ClientHost":"192.0.2.9"}', {"traefik_json"}),
        ('{"ts":"2026-03-11T15:47:23Z","request_method":"GET","status":200}', {"nginx_json"}),
        ("2026-03-11T15:47:23Z INFO jobs.views: job 7", {"syslog_iso", "heroku", "kubernetes_cri"}),
        ("2026-03-11 15:47:23,101 INFO: job 7", {"uvicorn_access"}),
        ("[2026-11-24T09:14:07.481Z] 7 192.0.2.9", {"envoy_access"}),
    ],
)
def test_a_look_alike_is_not_claimed(line, names):
    assert names.isdisjoint(each.format.name for each in detect(f"{line}\n".encode(), FORMATS))


def test_a_list_of_addresses_begins_with_the_client():
    line = '[2026-04-15T20:17:00.310Z] "GET / HTTP/2" 200 - 0 0 9 8 "{}" "-" "id" "jobs" "192.0.2.1:80"'
    found = [
        parse(FORMATS["envoy_access"], line.format(each))["client_ip"]
        for each in ("203.0.113.7,10.0.0.1", "2001:db8::7", "-", "unknown, 10.0.0.1")
    ]
    assert found == ["203.0.113.7", "2001:db8::7", None, None]


def test_a_load_balancers_url_is_reduced_to_its_path():
    line = FORMATS["aws_alb"].samples[0].line
    urls = ["http://www.example.com:80/jobs/7?x=http://a/b", "/jobs/7", "http://www.example.com:80"]
    rows = [parse(FORMATS["aws_alb"], line.replace("http://www.example.com:80/", url, 1)) for url in urls]
    assert [row["path"] for row in rows] == ["/jobs/7?x=http://a/b", "/jobs/7", None]
