import json
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from analysis.source.modules import Code
from analysis.source.routes import Unreadable, match, route_regex
from analysis.source.trees import FolderTree
from analysis.source.urlconf import endpoint, root_urlconfs

CASE = Path(__file__).parent.parent / "data/cases/jobs-complete"
BASIS = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")',
    "config/__init__.py": "",
    "config/settings.py": 'ROOT_URLCONF = "config.urls"',
    "shop/__init__.py": "",
    "shop/views.py": """
        from functools import partial, wraps
        from django.views import View
        from django.views.generic import CreateView, TemplateView

        def order(request, pk=None): pass
        def other(request): pass

        def api(view):
            @wraps(view)
            def answer(request, *args):
                return view(request, *args)
            return answer

        @api
        def decorated(request): pass

        def error(code):
            def answer(request):
                return code
            return answer

        class Base(View):
            def post(self, request): pass

        class Order(Base):
            def get(self, request): pass

        class Form(CreateView):
            form_class = "OrderForm"
            def form_valid(self, form): pass

        class About(TemplateView):
            template_name = "about.html"

        class Page:
            def __call__(self, request): pass
    """,
}


class Files(dict):
    def paths(self):
        return sorted(self)

    read = dict.get


def code(urls, **files):
    given = {name.replace("__", "/") + ".py": text for name, text in files.items()}
    return Code(
        Files({path: dedent(text) for path, text in (BASIS | {"config/urls.py": urls} | given).items()})
    )


def asked(path, urls, method="POST", **files):
    return endpoint(
        code(
            "from django.urls import include, path, re_path\nfrom shop import views\n" + dedent(urls), **files
        ),
        method,
        path,
    )


def function(path, urls, method="POST", **files):
    return asked(path, urls, method, **files).function


# From a path to a pattern


@pytest.mark.parametrize(
    ("path", "name", "captured"),
    [
        ("/orders/7/", "order", {"pk": "7"}),
        ("/orders/x/", None, {}),
        ("/orders/7", "order", {"pk": "7"}),  # APPEND_SLASH
        ("/orders/7/?next=/orders/x/", "order", {"pk": "7"}),
        ("/orders/7/#top", "order", {"pk": "7"}),
        ("https://shop.example/orders/7/", "order", {"pk": "7"}),
        ("/items/a%20b/", "other", {"name": "a b"}),
        ("/items/a/b/", None, {}),
        ("/files/a/b/c", "other", {"path": "a/b/c"}),
        ("/years/2026/", "other", {"year": "2026"}),
        ("/years/26/", None, {}),
        ("", "other", {}),
        ("/", "other", {}),
    ],
)
def test_a_path_finds_its_pattern(path, name, captured):
    found = asked(
        path,
        """
        urlpatterns = [
            path("", views.other),
            path("orders/<int:pk>/", views.order),
            path("items/<name>/", views.other),
            path("files/<path:path>", views.other),
            re_path(r"^years/(?P<year>[0-9]{4})/$", views.other),
        ]
        """,
    )
    assert (found.function, found.captured) == (name, captured)


def test_the_answer_names_view_pattern_and_route():
    found = asked("/shop/orders/7/", 'urlpatterns = [path("shop/", include("shop.urls"))]', shop__urls="""
        from django.urls import path
        from . import views
        urlpatterns = [path("orders/<int:pk>/", views.order)]
    """)  # fmt: skip
    assert str(found.place) == "shop/views.py:6"
    assert str(found.pattern) == "shop/urls.py:4"
    assert (found.route, found.reason, found.doubts) == ("shop/orders/<int:pk>/", "", ())


def test_the_first_pattern_that_matches_answers():
    assert function("/a/", 'urlpatterns = [path("<x>/", views.other), path("a/", views.order)]') == "other"


def test_an_old_pattern_without_an_end_matches_what_begins_so():
    urls = 'urlpatterns = [re_path(r"^help", views.order)]'
    assert (function("/helpless", urls), function("/my/help", urls)) == ("order", None)


def test_a_pattern_without_a_beginning_is_searched_for_unless_it_has_an_end():
    assert function("/my/help/", 'urlpatterns = [re_path(r"help/", views.order)]') == "order"
    assert function("/my/help/", 'urlpatterns = [re_path(r"help/$", views.order)]') is None


@pytest.mark.parametrize(
    "urls",
    [
        'urlpatterns = [path("a/", include(("shop.urls", "shop"), namespace="s"))]',
        'urlpatterns = [path("a/", include("shop.urls", namespace="s"))]',
        'from shop import urls\nurlpatterns = [path("a/", include(urls))]',
        'import shop.urls\nurlpatterns = [path("a/", include(shop.urls))]',
        'from shop.urls import urlpatterns as more\nurlpatterns = [path("a/", include(more))]',
        'from shop.urls import urlpatterns as more\nurlpatterns = [path("a/", include((more, "shop")))]',
        'own = [path("b/", views.order)]\nurlpatterns = [path("a/", include(own))]',
        'urlpatterns = [path("a/", include([path("b/", views.order)]))]',
        'urlpatterns = []\nurlpatterns += [path("a/b/", views.order)]',
        'urlpatterns = []\nurlpatterns.append(path("a/b/", views.order))',
        'urlpatterns = []\nurlpatterns.extend([path("a/b/", views.order)])',
        'urlpatterns = [path("x", views.other)] + [path("a/b/", views.order)]',
        'more = [path("a/b/", views.order)]\nurlpatterns = [path("x", views.other), *more]',
        'urlpatterns = [path("x", views.other)]\nurlpatterns = [path("a/b/", views.order)] + urlpatterns',
        'if settings.DEBUG:\n    urlpatterns = []\nelse:\n    urlpatterns = [path("a/b/", views.order)]',
        'try:\n    import debug\nexcept ImportError:\n    urlpatterns = [path("a/b/", views.order)]',
        'from django.conf.urls.i18n import i18n_patterns\nurlpatterns = i18n_patterns(path("a/b/", views.order))',
        'from shop.absolute import *\nurlpatterns += [path("x/", views.other)]',
        'from shop.absolute import urlpatterns\nurlpatterns = [path("x/", views.other)] + urlpatterns',
        'one = path("a/b/", views.order)\nurlpatterns = [one]',
        'def made():\n    found = [path("a/b/", views.order)]\n    return found\nurlpatterns = made()',
        'def at(prefix):\n    return [path(f"{prefix}/b/", views.order)]\nurlpatterns = [*at("a")]',
        'def at(prefix, view):\n    return path(prefix + "/b/", view)\nurlpatterns = [at("a", view=views.order)]',
        'urlpatterns = patterns("", path("a/b/", "shop.views.order"))',
        'A = "a"\nurlpatterns = [path(f"{A}/b/", views.order)]',
        'A = "a"\nurlpatterns = [path(A + "/b/", views.order)]',
        'A = "a"\nurlpatterns = [re_path("^%s/b/$" % A, views.order)]',
        'A = "a"\nurlpatterns = [re_path("^{}/b/$".format(A), views.order)]',
        'A = "a"\nurlpatterns = [re_path("^{api}/b/$".format(api=A), views.order)]',
        'from django.utils.translation import gettext_lazy as _\nurlpatterns = [path(_("a/b/"), views.order)]',
        'from django.conf import settings\nurlpatterns = [path(settings.PREFIX + "b/", views.order)]',
        'urlpatterns = [path(route="a/b/", view=views.order)]',
    ],
)
def test_a_list_is_read_however_it_is_put_together(urls):
    more = {
        "shop__urls": "from django.urls import path\nfrom shop import views\nurlpatterns = [path('b/', views.order)]"
    }
    more["shop__absolute"] = more["shop__urls"].replace("b/", "a/b/")
    more["config__settings"] = 'ROOT_URLCONF = "config.urls"\nPREFIX = os.environ.get("PREFIX", "a/")'
    assert function("/a/b/", urls, **more) == "order"


def test_a_language_prefix_may_be_there_or_not():
    urls = "urlpatterns = i18n_patterns(path('a/b/', views.order))"
    assert [function(path, urls) for path in ("/de/a/b/", "/pt-br/a/b/", "/a/b/", "/deutsch/a/b/")] == [
        "order",
        "order",
        "order",
        None,
    ]


def test_a_path_that_begins_like_a_language_is_not_taken_for_one():
    assert function("/api/x/", "urlpatterns = i18n_patterns(path('api/x/', views.order))") == "order"


def test_a_converter_of_the_repository_is_used():
    urls = """
        class Year:
            regex = "[0-9]{4}"
        register_converter(Year, "year")
        urlpatterns = [path("<year:y>/", views.order)]
    """
    assert [function(path, urls) for path in ("/2026/", "/26/")] == ["order", None]


# From a view to the function that answers


@pytest.mark.parametrize(
    ("view", "method", "name"),
    [
        ("views.order", "POST", "order"),
        ("views.decorated", "POST", "decorated"),
        ("'shop.views.order'", "POST", "order"),
        ("csrf_exempt(views.order)", "POST", "order"),
        ("csrf_exempt(login_required(views.order))", "POST", "order"),
        ("cache_page(60)(views.order)", "POST", "order"),
        ("views.api(views.order)", "POST", "order"),
        ("permission_required('shop.add', raise_exception=True)(views.order)", "POST", "order"),
        ("partial(views.order, pk=1)", "POST", "order"),
        ("lambda request: views.order(request)", "POST", "order"),
        ("lambda request: views.Order.as_view()(request)", "POST", "Base.post"),
        ("lambda request: HttpResponse()", "POST", "<lambda>"),
        ("views.error(404)", "POST", "error.answer"),
        ("views.Order.as_view()", "GET", "Order.get"),
        ("views.Order.as_view()", "HEAD", "Order.get"),
        ("views.Order.as_view()", "POST", "Base.post"),
        ("csrf_exempt(views.Order.as_view(x=1))", "POST", "Base.post"),
        ("views.Form.as_view()", "POST", "Form.form_valid"),
        ("views.Page()", "POST", "Page.__call__"),
        ("{'get': views.other, 'post': views.order}", "POST", "order"),
    ],
)
def test_a_view_leads_to_the_function_that_answers(view, method, name):
    assert function("/a/", f"urlpatterns = [path('a/', {view})]", method) == name


def test_a_view_that_another_module_wraps_is_found():
    wrapped = {
        "shop__api": "from shop import views\nsend = csrf_exempt(views.order)\nshow = views.Order.as_view()"
    }
    urls = "from shop import api\nfrom shop.api import show\nurlpatterns = [path('a/', api.send), path('b/', show)]"
    assert function("/a/", urls, **wrapped) == "order"
    assert function("/b/", urls, **wrapped) == "Base.post"


def test_a_package_that_re_exports_a_view_of_the_same_name_as_its_module():
    files = {"shop__views__order": "def order(request): pass", "shop__views__init__": ""}
    tree = dict(code("from shop import views\nurlpatterns = [path('a/', views.order)]").tree)
    tree = {p: t for p, t in tree.items() if p != "shop/views.py"} | {
        "shop/views/__init__.py": "from .order import order",
        "shop/views/order.py": files["shop__views__order"],
    }
    assert endpoint(Code(Files(tree)), "POST", "/a/").function == "order"


def test_handlers_by_method_of_a_wrapper_of_path():
    urls = """
        def rest_path(route, **handlers):
            return path(route, dispatch, handlers)
        urlpatterns = [rest_path("a/", GET=views.other, POST=(views.order, {"flag"}))]
    """
    assert [function("/a/", urls, method) for method in ("GET", "POST", "PUT")] == ["other", "order", None]


def test_a_view_from_outside_says_so_and_where_the_class_is():
    found = asked("/a/", "urlpatterns = [path('a/', views.About.as_view())]", "GET")
    assert (found.function, str(found.place)) == (None, "shop/views.py:33")
    assert (
        found.reason == "About has no get; what answers comes from outside: django.views.generic.TemplateView"
    )


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        ("urlpatterns = [path('a/', TemplateView.as_view())]", "is not in the repository"),
        ("urlpatterns = [path('a/', getattr(views, NAME))]", "made when it starts"),
        ("urlpatterns = [path('b/', views.order)]", "no pattern of config/urls.py matches '/a/'"),
        ("urlpatterns = [path('a/', include('elsewhere.urls'))]", "'elsewhere.urls' is not in the repository"),
        ("urlpatterns = [path(route(), views.order)]", "its route is computed when the application starts"),
        ("urlpatterns = [path(r, views.order) for r in ROUTES]", "computed when the application starts"),
        ("urlpatterns = [path('<hex:x>/', views.order)]", "converter 'hex' of '<hex:x>/' is not in the repository"),
        ("urlpatterns = [re_path('^(?!b)a/$', views.order)]", "cannot be tried in linear time"),
        ("urlpatterns = [re_path('^(a/$', views.order)]", "is no regular expression"),
        ("urlpatterns = admin.site.urls", "the admin's own patterns"),
        ("", "computed when the application starts"),
    ],
)  # fmt: skip
def test_what_cannot_be_resolved_says_why(urls, reason):
    found = asked("/a/", urls)
    assert found.function is None
    assert reason in found.reason


def test_patterns_before_the_answer_that_could_not_be_read_are_doubts():
    found = asked(
        "/a/",
        "urlpatterns = [path(route(), views.other), path('a/', views.order), path(last(), views.other)]",
    )
    assert found.function == "order"
    (doubt,) = found.doubts
    assert doubt.startswith("config/urls.py:3 path(route()")


def test_a_prefix_that_is_computed_is_a_doubt_and_no_obstacle():
    urls = "urlpatterns = [path(settings.BASE, include([path('a/', views.order)]))]"
    for path in ("/a/", "/base/path/a/"):
        found = asked(path, urls)
        assert (found.function, len(found.doubts)) == ("order", 1)
    assert asked("/base/b/", urls).function is None


def test_without_settings_it_is_said():
    found = endpoint(Code(Files({"shop/urls.py": "urlpatterns = []"})), "GET", "/")
    assert found.reason == "no settings of the repository name a ROOT_URLCONF that it holds"


def test_the_settings_that_are_named_go_before_those_that_manage_py_names():
    settings = {
        "config__test_settings": 'ROOT_URLCONF = "config.test_urls"',
        "config__test_urls": "urlpatterns = []",
    }
    tree = code("urlpatterns = []", **settings)
    assert [module.path for module in root_urlconfs(tree)] == ["config/urls.py"]
    assert [module.path for module in root_urlconfs(tree, "config.test_settings")] == ["config/test_urls.py"]


def test_settings_may_build_upon_others():
    base = {"config__settings": "from .base import *", "config__base": 'ROOT_URLCONF = "config.urls"'}
    assert function("/a/", "urlpatterns = [path('a/', views.order)]", **base) == "order"


def test_settings_that_this_python_cannot_parse_still_name_their_urls():
    old = {"config__settings": 'ROOT_URLCONF = "config.urls"\nexec "import local" in globals()\n'}
    assert function("/a/", "urlpatterns = [path('a/', views.order)]", **old) == "order"


# REST framework

VIEWSETS = """
    from rest_framework import viewsets
    from rest_framework.decorators import action

    class OrderSerializer(Serializer):
        def create(self, data): pass

    class Base(viewsets.ModelViewSet):
        def perform_update(self, serializer): pass

    class Orders(Base):
        serializer_class = OrderSerializer
        lookup_field = "number"

        def list(self, request): pass
        def retrieve(self, request, number): pass

        @action(detail=True, methods=["post"])
        def ship(self, request, number): pass

        @ship.mapping.delete
        def unship(self, request, number): pass

        @action(["get", "post"], detail=False, url_path="by-day/(?P<day>[0-9]+)")
        def by_day(self, request, day): pass

    class Lines(viewsets.ViewSet):
        def create(self, request, order_pk): pass
"""
ROUTERS = """
    from rest_framework_nested import routers
    from shop.api import Lines, Orders
    router = routers.DefaultRouter()
    router.register(r"orders", Orders, basename="order")
    lines = routers.NestedSimpleRouter(router, r"orders", lookup="order")
    lines.register("lines", Lines)
    urlpatterns = [path("api/", include(router.urls)), path("api/", include(lines.urls))]
"""


@pytest.mark.parametrize(
    ("method", "path", "name", "captured"),
    [
        ("GET", "/api/orders/", "Orders.list", {}),
        ("GET", "/api/orders", "Orders.list", {}),
        ("POST", "/api/orders/", "OrderSerializer.create", {}),
        ("GET", "/api/orders/a7/", "Orders.retrieve", {"number": "a7"}),
        ("PUT", "/api/orders/a7/", "Base.perform_update", {"number": "a7"}),
        ("PATCH", "/api/orders/a7/", "Base.perform_update", {"number": "a7"}),
        ("POST", "/api/orders/a7/ship/", "Orders.ship", {"number": "a7"}),
        ("DELETE", "/api/orders/a7/ship/", "Orders.unship", {"number": "a7"}),
        ("GET", "/api/orders/a7/ship/", None, {"number": "a7"}),
        ("GET", "/api/orders/by-day/12/", "Orders.by_day", {"day": "12"}),
        ("POST", "/api/orders/a7/lines/", "Lines.create", {"order_pk": "a7"}),
        ("POST", "/api/orders/a7/pay/", None, {}),
        ("POST", "/api/orders/a7.json/x", None, {}),
    ],
)
def test_a_router_leads_to_the_method_of_the_viewset(method, path, name, captured):
    found = asked(path, ROUTERS, method, shop__api=VIEWSETS)
    assert (found.function, found.captured) == (name, captured)


def test_the_methods_that_a_generic_view_calls_further_are_named():
    found = asked(
        "/api/orders/", ROUTERS, "POST", shop__api=VIEWSETS + "\n        def perform_create(self, s): pass"
    )
    assert (found.function, [name for _, name in found.hooks]) == ("OrderSerializer.create", [])
    found = asked(
        "/a/",
        "from shop.api import Orders\nurlpatterns = [path('a/', Orders.as_view({'post': 'create'}))]",
        shop__api=VIEWSETS.replace("lookup_field", "def perform_create(self, s): pass\n        x"),
    )
    assert (found.function, [name for _, name in found.hooks]) == (
        "Orders.perform_create",
        ["OrderSerializer.create"],
    )


def test_a_viewset_that_maps_no_such_method_answers_405():
    urls = "from shop.api import Orders\nurlpatterns = [path('a/', Orders.as_view({'get': 'list'}))]"
    found = asked("/a/", urls, "POST", shop__api=VIEWSETS)
    assert found.reason == "Orders maps no POST here: it is answered with 405"
    assert function("/a/", urls, "GET", shop__api=VIEWSETS) == "Orders.list"


def test_what_is_registered_in_another_module_counts():
    files = {
        "shop__api": VIEWSETS,
        "config__routers": "router = SimpleRouter()",
        "shop__routes": "from config.routers import router\nfrom . import api\nrouter.register('orders', api.Orders)",
    }
    urls = "from config.routers import router\nurlpatterns = [path('api/', include(router.urls))]"
    assert function("/api/orders/", urls, "GET", **files) == "Orders.list"


def test_a_registry_that_is_taken_over_counts():
    urls = (
        ROUTERS
        + "\n    main = routers.SimpleRouter()\n    main.registry.extend(router.registry)\n    urlpatterns = main.urls"
    )
    assert function("/orders/", urls, "GET", shop__api=VIEWSETS) == "Orders.list"


# Strangers' code and strangers' paths


@pytest.mark.parametrize(
    "path",
    [
        "*",
        "/\x1b[31m",
        "/../../etc/passwd",
        "//evil/x",
        "/" + "a" * 10_000,
        "http://[",
        "/%00",
        "/\n",
        "x" * 3_000,
    ],
)
def test_a_hostile_path_is_answered_at_once(path):
    begun = time.monotonic()
    found = asked(
        path,
        r'urlpatterns = [re_path(r"^((a+)+)+$x", views.order), path("<path:a>/<path:b>/<path:c>/q", views.order)]',
    )
    assert found.function is None
    assert "\x1b" not in found.reason
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "urls",
    [
        "urlpatterns = urlpatterns",
        "from config.urls import urlpatterns",
        "urlpatterns = [path('', include('config.urls'))]",
        "a = b\nb = a\nurlpatterns = a",
        "def f():\n    return f()\nurlpatterns = f()",
        "view = view\nurlpatterns = [path('a/', view)]",
        "view = csrf_exempt(view)\nurlpatterns = [path('a/', view)]",
        "A = A + 'x'\nurlpatterns = [path(A, views.order)]",
        "urlpatterns = [path()]",
        "urlpatterns = [path('a/')]",
        "urlpatterns = [include()]",
        "router.register()\nrouter.registry.extend()\nurlpatterns = router.urls",
        "router = NestedSimpleRouter(router, 'a')\nurlpatterns = router.urls",
        "\n".join(f"a{n} = [{f'*a{n + 1},' * 40}]" for n in range(20)) + "\nurlpatterns = a0",
        "\n".join(f"a{n} = f'{f'{{a{n + 1}}}' * 10}'" for n in range(20))
        + "\nurlpatterns = [path(a0, views.order)]",
        "\n".join(f"v{n} = f({f'v{n + 1},' * 40})" for n in range(20)) + "\nurlpatterns = [path('a/', v0)]",
        "urlpatterns = [" * 90 + "]" * 90,
        "\0",
        "def (",
    ],
)
def test_code_that_goes_in_circles_or_is_broken_is_read_to_an_end(urls):
    begun = time.monotonic()
    assert asked("/a/", urls).function is None
    assert time.monotonic() - begun < 5


def test_nothing_that_is_read_is_run(tmp_path):
    canary = tmp_path / "canary"
    touch = f"open({str(canary)!r}, 'w')\n"
    assert (
        function(
            "/a/",
            f"{touch}urlpatterns = [path('a/', views.order)]",
            config__settings=touch + 'ROOT_URLCONF = "config.urls"',
        )
        == "order"
    )
    assert not canary.exists()


def test_a_pattern_that_would_take_python_for_ever_is_tried_in_linear_time():
    begun = time.monotonic()
    assert match(r"^((a+)+)+b$", "a" * 3_000) is None
    assert match(r"^(a|a)*b?$", "a" * 3_000) is not None
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("regex", [r"^(?=a)a$", r"^(a)\1$", "^[a$", "a" * 5_000, r"^a{1,99999}$"])
def test_a_pattern_that_cannot_be_tried_is_said(regex):
    with pytest.raises(Unreadable):
        match(regex, "a")


def test_a_route_with_an_unknown_converter_is_said():
    with pytest.raises(Unreadable, match="hex"):
        route_regex("<hex:x>", True, {"str": "[^/]+"})


# Against Django itself

DJANGO = """
import json, sys
import django
from django.conf import settings
settings.configure(ROOT_URLCONF="config.urls", SECRET_KEY="x", INSTALLED_APPS=[], USE_I18N=False)
django.setup()
from django.urls import Resolver404, resolve
answers = {}
for path in json.load(sys.stdin):
    try:
        found = resolve(path)
        view = getattr(found.func, "view_class", found.func)
        answers[path] = [view.__qualname__, {k: str(v) for k, v in found.kwargs.items() if v}]
    except Resolver404:
        answers[path] = None
print(json.dumps(answers))
"""
URLS = r"""
    from django.urls import include, path, re_path, register_converter
    from shop import views

    class Four:
        regex = "[0-9]{4}"
        def to_python(self, value): return value
        def to_url(self, value): return value

    register_converter(Four, "four")
    inner = [path("", views.order), path("<slug:a>/", views.other), re_path(r"^x(?P<b>\d+)?/$", views.other)]
    urlpatterns = [
        path("shop/", include(inner)),
        path("years/<four:year>/<int:month>", views.order),
        re_path(r"^old/(\d+)/", include([re_path(r"^end$", views.order), re_path(r"", views.other)])),
        re_path(r"^(?P<kind>a|b)/$|^c/$", views.order),
        re_path(r"loose/(?P<n>[a-z]*)$", views.other),
        re_path(r"^any", views.other),
        path("u/<uuid:key>", views.order),
        path("p/<path:rest>/end", views.other),
        path("class/", views.Order.as_view()),
        path("", views.other),
    ]
    urlpatterns += [path("late/", views.order)]
"""
PIECES = ["", "shop", "x", "x1", "years", "2026", "12", "old", "end", "a", "b", "c", "loose", "anything", "u",
          "p", "class", "late", "0b2bd6d4-5a2f-4a3f-8f3c-6c2f3f7a1b2c", "é", "a-b", "a.b", "my"]  # fmt: skip


def test_the_answers_are_those_of_django(tmp_path):
    for path, text in (BASIS | {"config/urls.py": URLS}).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(dedent(text))
    (tmp_path / "shop/views.py").write_text(
        (tmp_path / "shop/views.py").read_text().replace("CreateView", "FormView")
    )
    paths = ["/" + "/".join(p) + end for n in (1, 2, 3) for p in tuples(PIECES, n) for end in ("", "/")]
    done = subprocess.run(
        [sys.executable, "-c", DJANGO],
        cwd=tmp_path,
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
    )
    tree = Code(FolderTree(tmp_path))
    wanted = json.loads(done.stdout)
    wrong = {}
    for path in paths:
        found = endpoint(tree, "GET", path)
        name = found.function and found.function.split(".")[0]
        captured = {
            k: v for k, v in found.captured.items() if not k.isdigit()
        }  # Django counts groups anew below an include
        got = None if name is None or "slash" in found.reason else [name, captured]
        if got != wanted[path]:
            wrong[path] = (got, wanted[path])
    assert not wrong
    assert sum(answer is not None for answer in wanted.values()) > 40


def tuples(pieces, length):
    """A thinned product: each single one, every third pair, every 101st triple."""
    if length == 1:
        return [(piece,) for piece in pieces]
    if length == 2:
        return [(a, b) for a in pieces for b in pieces][::3]
    every = [(a, b, c) for a in pieces for b in pieces for c in pieces]
    return every[::101]


def test_the_endpoint_of_the_bundled_case_is_found():
    found = endpoint(Code(FolderTree(CASE / "source")), "POST", "/api/jobs/complete")
    assert (found.place.path, found.function, found.route) == (
        "jobs/views.py",
        "complete_job",
        "api/jobs/complete",
    )
