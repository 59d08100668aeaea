"""What is read off a view: parts of the request, rows, conditions."""

import time
from textwrap import dedent

import pytest

from analysis.source.facts import Facts
from analysis.source.intake import Reader

MODELS = dedent("""
    from django.contrib.auth.models import User
    from django.db import models

    class OrderManager(models.Manager):
        def take(self, number):
            return self.filter(number=number, status="open").update(status="taken")

    class Order(models.Model):
        OPEN, PAID = "open", "paid"

        class Kind(models.TextChoices):
            GIFT = "gift", "Gift"

        number = models.CharField(max_length=9, unique=True)
        status = models.CharField(max_length=9, default=OPEN)
        kind = models.CharField(max_length=9)
        cents = models.IntegerField(default=0)
        limit = models.IntegerField(default=0)
        locked = models.BooleanField(default=False)
        paid_at = models.DateTimeField(null=True)
        owner = models.ForeignKey(User, on_delete=models.CASCADE)
        objects = OrderManager()

        @property
        def is_open(self):
            return self.status == Order.OPEN

        def is_full(self):
            return self.cents >= self.limit

    class Line(models.Model):
        order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
        text = models.CharField(max_length=9)
""")


class Files(dict):
    def paths(self):
        return sorted(self)

    read = dict.get


def read(view, method="POST", name="view", **files):
    text = "from shop.models import Line, Order\n" + dedent(view)
    given = {path.replace("__", "/") + ".py": dedent(content) for path, content in files.items()}
    facts = Facts(Files({"shop/__init__.py": "", "shop/models.py": MODELS, "shop/views.py": text} | given))
    function = facts.code.module("shop/views.py").functions[name]
    return Reader(facts.code, facts.models, method).view(function, [])


def taken(view, **given):
    return {".".join(each.path): each.kind for each in read(view, **given).leaves}


def rows(view, **given):
    """The rows that are wanted there, with their look-ups and conditions in short."""
    found = {}
    for row in read(view, **given).rows:
        if row.required is not None:
            lookups = {
                k: ".".join([s.kind, *s.path]) if s.kind != "const" else s.value
                for k, s in row.lookups.items()
            }
            wants = {name: [(w.kind, w.value) for w in wants] for name, wants in row.wants.items()}
            found[row.model] = (row.required, lookups, wants)
    return found


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ('request.POST["a"]', {"a": ""}),
        ('request.POST.get("a")', {"a": ""}),
        ('request.POST.getlist("a")', {"a": "list"}),
        ('request.GET["a"]', {"a": ""}),
        ('request.data["a"]["b"]', {"a.b": ""}),
        ('json.loads(request.body)["a"]', {"a": ""}),
        ('json.loads(request.body.decode())["a"]', {"a": ""}),
        ('int(request.POST["a"])', {"a": "int"}),
        ('str(int(request.POST["a"]))', {"a": "int"}),
        ('Decimal(request.data["a"])', {"a": "decimal"}),
        ('print(request.POST["a"], [request.POST["b"]])', {"a": "", "b": ""}),
        ('other.POST["a"]', {}),
        ('request.session["a"]', {}),
        ('{"a": 1}["a"]', {}),
        ("request.POST", {}),
    ],
)
def test_what_is_read_of_a_request_is_taken(line, parts):
    assert taken(f"def view(request):\n    return {line}") == parts


def test_a_body_is_followed_through_helpers_of_other_modules():
    helpers = """
        import json
        def payload_of(request):
            found = json.loads(request.body)
            if not isinstance(found, dict):
                raise ValueError("no object")
            return found
        def amount(payload, name="amount"):
            value = payload.get(name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(name)
            return value
    """
    view = """
        from shop.payloads import amount, payload_of
        def view(request):
            payload = payload_of(request)
            return amount(payload), amount(payload, "fee")
    """
    found = read(view, shop__payloads=helpers)
    assert {".".join(each.path): each.kind for each in found.leaves} == {"amount": "int", "fee": "int"}
    assert [want.kind for want in found.taken["body", ("fee",)].wants] == ["above"]
    assert found.is_json


def test_a_method_that_is_not_asked_for_is_not_read():
    view = """
        def view(request):
            if request.method == "GET":
                return request.GET["page"]
            if request.method in ("PUT", "PATCH"):
                return request.POST["other"]
            return request.POST["a"]
    """
    assert [taken(view, method=method) for method in ("POST", "GET", "PUT")] == [
        {"a": ""},
        {"page": ""},
        {"other": ""},
    ]


def test_a_serializer_and_a_form_name_parts_of_the_body():
    view = """
        class OrderSerializer(serializers.ModelSerializer):
            note = serializers.CharField()
            total = serializers.IntegerField(read_only=True)
            class Meta:
                model = Order
                fields = ["number", "cents", "status"]
                read_only_fields = ["status"]
        def view(request):
            serializer = OrderSerializer(data=request.data)
            return serializer.validated_data["note"]
    """
    assert taken(view) == {"note": "str", "number": "str", "cents": "int"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Order.objects.get(pk=pk)", (True, {"pk": "url.pk"}, {})),
        (
            "get_object_or_404(Order, pk=pk, owner=request.user)",
            (True, {"pk": "url.pk", "owner": "user"}, {}),
        ),
        (
            "get_object_or_404(Order.objects.filter(status=Order.PAID), pk=pk)",
            (True, {"pk": "url.pk", "status": "paid"}, {}),
        ),
        ("Order.objects.select_for_update().get(number=request.POST['n'])", (True, {"number": "body.n"}, {})),
        ("Order.objects.get(pk=pk, kind=Order.Kind.GIFT)", (True, {"pk": "url.pk", "kind": "gift"}, {})),
    ],
)
def test_a_row_that_has_to_be_there_is_wanted(line, wanted):
    assert rows(f"def view(request, pk):\n    return {line}") == {"Order": wanted}


@pytest.mark.parametrize(
    "line",
    [
        "Order.objects.filter(pk=pk).count()",
        "Order.objects.filter(pk=pk).first()",
        "Order.objects.create(number=pk)",
        "Order.objects.get_or_create(number=pk)",
        "list(Order.objects.all())",
        "Order.OPEN",
        "cache.get(pk)",
    ],
)
def test_a_row_that_may_be_absent_is_not(line):
    assert rows(f"def view(request, pk):\n    return {line}") == {}


@pytest.mark.parametrize(
    ("test", "wants"),
    [
        ("order.status != Order.OPEN", {"status": [("is", "open")]}),
        ("Order.OPEN != order.status", {"status": [("is", "open")]}),
        ("order.status == Order.PAID", {"status": [("not", "paid")]}),
        ("order.status not in (Order.OPEN, Order.PAID)", {"status": [("is", "open")]}),
        ("not order.is_open", {"status": [("is", "open")]}),
        ("order.is_full()", {"cents": [("below", None)], "limit": [("above", None)]}),
        ("order.locked", {"locked": [("false", None)]}),
        ("not order.locked", {"locked": [("true", None)]}),
        ("order.cents < 5", {"cents": [("above", 5)]}),
        ("5 > order.cents", {"cents": [("above", 5)]}),
        ("order.cents >= order.limit", {"cents": [("below", None)], "limit": [("above", None)]}),
        ("order.cents < int(request.POST['n'])", {"cents": [("above", None)]}),
        ("order.paid_at is not None", {"paid_at": [("none", None)]}),
        ("order.paid_at is None", {"paid_at": [("some", None)]}),
        ("order.locked and order.status == 'paid'", {"status": [("not", "paid")]}),
        ("order.locked or order.status != 'open'", {"locked": [("false", None)], "status": [("is", "open")]}),
    ],
)
def test_what_refuses_tells_what_must_not_be_so(test, wants):
    view = f"def view(request, pk):\n    order = Order.objects.get(pk=pk)\n    if {test}:\n        {{}}\n    order.x()"
    for refusal in ("return HttpResponse(status=409)", "raise Refused()", "return refuse('no')"):
        assert rows(view.format(refusal))["Order"][2] == wants


@pytest.mark.parametrize(
    "way",
    [
        "if order.is_open:\n        order.save()\n        return done()\n    return refuse()",
        "if order.is_open:\n        return done()\n    else:\n        return HttpResponse(status=409)",
        "if order.is_open:\n        order.save()\n    else:\n        raise Refused()",
        "return done() if order.is_open else refuse()",
        "return HttpResponseForbidden() if not order.is_open else done()",
        "assert order.is_open",
    ],
)
def test_the_way_that_is_not_turned_away_is_the_one_wanted(way):
    assert rows(f"def view(request, pk):\n    order = Order.objects.get(pk=pk)\n    {way}")["Order"][2] == {
        "status": [("is", "open")]
    }


def test_an_update_that_must_meet_a_row_wants_it():
    view = """
        def view(request, pk):
            if not Order.objects.filter(pk=pk, status=Order.OPEN).update(status=Order.PAID):
                return refuse()
            return done()
    """
    assert rows(view) == {"Order": (True, {"pk": "url.pk", "status": "open"}, {})}


def test_a_managers_own_method_is_followed():
    view = "def view(request, number):\n    if not Order.objects.take(number):\n        raise Http404\n    return 1"
    assert rows(view) == {"Order": (True, {"number": "url.number", "status": "open"}, {})}


def test_a_row_whose_absence_is_handled_may_be_absent_and_one_whose_absence_is_refused_may_not():
    view = """
        def view(request, pk):
            try:
                order = Order.objects.get(pk=pk)
            except Order.DoesNotExist:
                {}
            return done()
    """
    assert rows(view.format("order = Order.objects.create(number=pk)")) == {}
    assert rows(view.format("raise Http404"))["Order"][0] is True
    assert rows(view.format("return HttpResponse(status=404)"))["Order"][0] is True


def test_what_is_made_wants_the_row_that_it_refers_to():
    assert rows("def view(request, pk):\n    Line.objects.create(order_id=pk)") == {
        "Order": (True, {"pk": "url.pk"}, {})
    }
    assert rows("def view(request, pk):\n    Line(order_id=pk, text=request.POST['t']).save()") == {
        "Order": (True, {"pk": "url.pk"}, {})
    }
    assert rows("def view(request, pk):\n    Line.objects.create(text=pk)") == {}


def test_each_row_of_a_list_is_wanted():
    view = "def view(request, a, b):\n    return list(Order.objects.filter(pk__in=sorted([a, b])))"
    found = [(row.lookups["pk"].path, row.required) for row in read(view).rows if "pk" in row.lookups]
    assert found == [(("a",), True), (("b",), True)]


def test_a_class_based_view_is_read_like_a_function():
    view = """
        class Pay(View):
            queryset = Order.objects.all()
            def post(self, request, pk):
                order = self.get_object()
                if order.locked:
                    return refuse()
                return self.note(order)
            def note(self, order):
                return self.request.POST["note"], self.kwargs["pk"]
    """
    assert rows(view, name="Pay.post") == {"Order": (True, {"pk": "url.pk"}, {"locked": [("false", None)]})}
    assert taken(view, name="Pay.post") == {"note": ""}


def test_a_decorator_and_a_header_are_read():
    view = """
        def with_key(view):
            def checked(request, *args):
                scheme, _, key = request.headers.get("Authorization", "").partition(" ")
                if scheme != "Key":
                    return refuse()
                Order.objects.get(number=key)
                return view(request, *args)
            return checked
        @with_key
        def view(request):
            return request.META["HTTP_X_DEVICE"]
    """
    found = read(view)
    assert rows(view) == {"Order": (True, {"number": "header.Authorization.1"}, {})}
    assert (found.schemes, found.headers) == ({"Authorization": "Key"}, {"X-Device"})


def test_a_condition_that_cannot_be_read_is_a_gap_with_its_place():
    found = read("def view(request, pk):\n    if shop_is_closed(pk):\n        return refuse()\n    return 1")
    assert found.gaps == ["shop/views.py:3: shop_is_closed(pk)"]


@pytest.mark.parametrize(
    "view",
    [
        "def view(request):\n    " + "view(request)\n    " * 60,
        "def view(request):\n    return " + "".join(f"view(request, {n})," for n in range(60)),
        "def view(request, x=0):\n    return " + "view(" * 140 + ")" * 140,
    ],
)
def test_code_that_never_ends_is_left_with_a_gap(view):
    begun = time.monotonic()
    found = read(view)
    assert found.gaps == ["shop/views.py:2: too much to follow"]
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    "view",
    [
        "def view(request):\n    return view(request)",
        "def view(request):\n    a, *b = request.POST\n    (c, d), e = a\n    del a\n    return [*b]",
        "def view(request):\n    match request.POST['a']:\n        case 'x':\n            return 1",
        "def view(request):\n    return Order.objects.get(**request.POST).lines.filter(**{}).first().order.owner.x.y()",
        "def view(*args, **kwargs):\n    return args[0].POST['a'], Order.objects[0], Order.objects.get()[1]",
        "async def view(request, pk):\n    async with lock:\n        return await Order.objects.aget(pk=pk)",
        "def view(request):\n    while True:\n        try:\n            continue\n        finally:\n            pass",
        "view = 1\ndef view(request, x=lambda: 0):\n    return (lambda y: y)(x), [i async for i in x], (z := request)",
    ],
)
def test_unusual_code_is_read_to_an_end(view):
    read(view)
