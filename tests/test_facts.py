"""The facts of a function: what it reads, decides, locks and writes, in order."""

from textwrap import dedent

import pytest

from analysis.source import hits_at, hits_in
from analysis.source.events import Event, Trace
from analysis.source.facts import Facts
from analysis.source.modules import Class, Function
from tests.shapes import Text

MODELS = """
from django.db import models

class Account(models.Model):
    number = models.CharField(max_length=9, unique=True)
    balance = models.IntegerField()

    @property
    def overdrawn(self):
        return self.balance < 0

    def draw(self, amount):
        self.balance -= amount
        self.save()

class Booking(models.Model):
    account = models.ForeignKey(Account, related_name="bookings", on_delete=models.CASCADE)
    day = models.DateField()
    text = models.CharField(max_length=9)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "day"], name="one_a_day", condition=models.Q(text="")),
        ]
"""
IMPORTS = """
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.shortcuts import get_object_or_404
from bank.models import Account, Booking
"""


def facts(views: str, **files: str) -> Facts:
    modules = {f"bank/{name}.py": dedent(text) for name, text in files.items()}
    return Facts(
        Text(
            {
                "bank/__init__.py": "",
                "bank/models.py": MODELS,
                "bank/views.py": IMPORTS + dedent(views),
                **modules,
            }
        )
    )


def trace(views: str, name: str = "view", **files: str) -> Trace:
    known = facts(views, **files)
    (function,) = known.function("bank/views.py", name)
    return known.trace(function)


def told(found: Trace, *kinds: str) -> list[tuple[str, str | None]]:
    """Verb and model of the events of some kinds."""
    return [(event.verb, event.model) for event in found.of(*kinds)]


def only(found: Trace, kind: str, verb: str) -> Event:
    (event,) = [event for event in found.of(kind) if event.verb == verb]
    return event


def test_reads_come_in_the_order_in_which_they_are_executed():
    found = trace("""
        def view(request, pk):
            account = Account.objects.get(pk=pk)
            if not account.bookings.filter(day=request.day).exists():
                Booking.objects.create(account=account, day=request.day)
            return account.bookings.count()
        """)
    assert told(found, "read", "write") == [
        ("get", "Account"),
        ("exists", "Booking"),
        ("create", "Booking"),
        ("count", "Booking"),
    ]


def test_a_queryset_that_is_only_built_reads_nothing():
    found = trace("""
        def view(request):
            accounts = Account.objects.filter(balance__lt=0).order_by("number")
            return accounts.select_for_update()
        """)
    assert told(found, "read") == []
    assert [event.verb for event in found.of("lazy")] == ["select_for_update"]


@pytest.mark.parametrize("run", ["list(q)", "[a for a in q]", "bool(q)", "q[0]", "len(q)", "sorted(q)"])
def test_a_locking_queryset_locks_when_it_is_run(run):
    found = trace(f"""
        def view(request):
            with transaction.atomic():
                q = Account.objects.select_for_update()
                return {run}
        """)
    lock = only(found, "lock", "select_for_update")
    assert lock.model == "Account"
    assert lock.transactions


@pytest.mark.parametrize("figure", ["count()", "aggregate(x=F('balance'))", "delete()", "update(balance=0)"])
def test_a_figure_or_a_write_drops_the_lock_of_its_queryset(figure):
    found = trace(f"""
        def view(request):
            Account.objects.select_for_update().{figure}
        """)
    assert found.of("dropped")
    assert not found.of("lock")


def test_exists_keeps_the_lock():
    found = trace("""
        def view(request):
            return Account.objects.select_for_update().filter(pk=1).exists()
        """)
    assert found.of("lock")
    assert only(found, "read", "exists").locked


def test_a_guard_knows_the_column_and_on_which_arm_a_row_was_there():
    found = trace("""
        def view(request, pk):
            account = Account.objects.filter(pk=pk).first()
            if account is None:
                return None
            if account.balance < 10:
                return None
            account.save()
        """)
    read, save = only(found, "read", "first"), only(found, "write", "save")
    there, rich = save.guards
    assert (there.terms[0].present, there.refuses) == (True, "return")
    assert there.origins == {read.order}
    assert {attr for _, attr in rich.attrs} == {"balance"}


def test_a_handler_of_does_not_exist_is_a_decision_and_others_are_not():
    found = trace("""
        def view(request, pk):
            try:
                Account.objects.get(number=pk)
            except Account.DoesNotExist:
                Account.objects.create(number=pk)
            except ValueError:
                Account.objects.create(number="0")
        """)
    first, second = found.of("write")
    assert [term.present for guard in first.guards for term in guard.terms] == [False]
    assert [term for guard in second.guards for term in guard.terms] == []
    assert not first.meets(second)


def test_arms_of_a_decision_exclude_each_other_and_what_follows_meets_both():
    found = trace("""
        def view(request, pk):
            if request.ok:
                Account.objects.create(number="1")
            else:
                Account.objects.create(number="2")
            Account.objects.create(number="3")
        """)
    one, other, after = found.of("write")
    assert not one.meets(other)
    assert one.meets(after) and other.meets(after)


def test_a_transaction_a_handler_and_a_mutex_surround_what_they_surround():
    found = trace("""
        @transaction.atomic
        def view(request, pk):
            try:
                with cache.lock("accounts"):
                    Account.objects.create(number=pk)
            except IntegrityError:
                pass
            Booking.objects.create(day=pk)
        """)
    inside, outside = found.of("write")
    assert inside.transactions == outside.transactions != ()
    assert inside.catches_conflict and not outside.catches_conflict
    assert inside.mutexes and not outside.mutexes


def test_a_handler_that_only_raises_again_handles_nothing():
    found = trace("""
        def view(request, pk):
            try:
                Account.objects.create(number=pk)
            except IntegrityError:
                log()
                raise
        """)
    assert not only(found, "write", "create").catches_conflict


def test_calls_are_followed_through_services_methods_and_properties():
    found = trace(
        """
        from bank.services import pay

        def view(request, pk):
            account = Account.objects.get(pk=pk)
            if account.overdrawn:
                return None
            pay(account, 5)
        """,
        services="""
        def pay(account, amount):
            account.draw(amount)
        """,
    )
    save = only(found, "write", "save")
    assert save.place.path == "bank/models.py"
    assert [place.path for place in save.calls] == ["bank/views.py", "bank/services.py"]
    assert save.rows[0].read == only(found, "read", "get").order
    assert any(attr == "balance" for guard in save.guards for _, attr in guard.attrs)


def test_calls_are_followed_four_deep_and_recursion_ends():
    chain = "\n".join(f"def f{n}(a):\n    return f{n + 1}(a)\n" for n in range(6))
    views = dedent("""
        def view(request):
            f0(1)
            again()

        def again():
            again()

        def f6(a):
            Account.objects.create(number=a)
        """)
    assert told(trace(views + chain), "write") == []
    assert told(trace(views + chain, "f3"), "write") == [("create", "Account")]


def test_a_decorator_of_the_tree_is_the_blocks_around_its_call():
    found = trace("""
        def answered(view):
            def inner(request):
                with transaction.atomic():
                    try:
                        return view(request)
                    except IntegrityError:
                        return None
            return inner

        @answered
        def view(request):
            Account.objects.create(number="1")
        """)
    write = only(found, "write", "create")
    assert write.transactions and write.catches_conflict


def test_an_update_tells_its_columns_and_whether_the_database_computes_them():
    found = trace("""
        def view(request, pk):
            changed = Account.objects.filter(pk=pk, balance__gte=5).update(balance=F("balance") - 5)
            if not changed:
                return None
            Booking.objects.create(day=1)
        """)
    update, create = found.of("write")
    assert (update.fields, update.expression, update.lookups) == (("balance",), True, ("pk", "balance__gte"))
    assert create.guards[-1].claims == {update.order}


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("save()", None),
        ('save(update_fields=["balance"])', ("balance",)),
        ("save(update_fields=names)", ("?",)),
    ],
)
def test_save_tells_which_columns_it_writes(call, fields):
    found = trace(f"""
        def view(request, pk, names):
            account = Account.objects.get(pk=pk)
            account.balance = 0
            account.{call}
        """)
    assert only(found, "write", "save").fields == fields


def test_a_row_that_was_made_here_is_nobody_elses():
    found = trace("""
        def view(request):
            account = Account(number="1")
            account.save()
            account.balance = 5
            account.save()
        """)
    first, second = found.of("write")
    assert (first.insert, first.origins, second.origins) == (True, ("fresh",), ("made",))


def test_on_commit_is_no_effect_and_a_task_is():
    found = trace("""
        def view(request, pk):
            transaction.on_commit(lambda: notify.delay(pk))
            notify.delay(pk)
        """)
    assert told(found, "effect") == [("delay", None)]
    assert len(found.of("deferred")) == 1


def test_advisory_locks_in_sql_are_locks_and_other_sql_is_not():
    found = trace("""
        def view(request, pk):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [pk])
        """)
    assert [event.place.line - found.line for event in found.of("lock")] == [3]


def test_constraints_of_models():
    models = facts("").models
    account, booking = models.named("Account"), models.named("Booking")
    assert account is not None and booking is not None
    assert account.unique_within(["number__iexact"])
    assert account.unique_within(["balance"]) is None
    assert booking.unique_within(["account_id", "day"]).conditional
    assert booking.unique_within(["day"]) is None
    assert models.related("bookings", "Account", "bank/views.py") == ("Booking", True)
    assert models.related("account", "Booking", "bank/views.py") == ("Account", False)


def test_two_models_of_one_name_are_two_tables():
    known = facts(
        "from shop.models import Account as Customer\ndef view(request): Customer.objects.get(pk=1)\n",
        **{
            "../shop/models": "from django.db import models\nclass Account(models.Model):\n    x = models.TextField()\n"
        },
    )
    tree = known.code.tree
    tree.files["shop/models.py"] = tree.files.pop("bank/../shop/models.py")
    (function,) = known.function("bank/views.py", "view")
    (read,) = known.trace(function).of("read")
    assert read.model == "shop/models.py:Account"


def test_names_are_followed_through_imports_and_re_exports():
    known = facts(
        "from bank import Ledger\n", __init__="from .ledgers import *\n", ledgers="class Ledger:\n    pass\n"
    )
    module = known.code.module("bank/views.py")
    found = known.code.find(module, "Ledger")
    assert isinstance(found, Class)
    assert found.module.path == "bank/ledgers.py"
    assert isinstance(known.code.find(module, "get_object_or_404"), Function | None)


def test_atomic_requests_of_the_settings_are_a_transaction():
    views = "def view(request):\n    Account.objects.create(number='1')\n"
    on = 'DATABASES = {"default": {"ATOMIC_REQUESTS": True}}\n'
    assert only(trace(views, settings=on), "write", "create").transactions
    assert not only(trace(views, settings=on.replace("True", "False")), "write", "create").transactions


def test_a_file_that_does_not_parse_is_named_and_the_rest_is_read():
    known = facts("def view(request):\n    Account.objects.create(number='1')\n", broken="def (:\n")
    assert known.functions("bank/broken.py") == []
    assert "SyntaxError" in known.code.unread["bank/broken.py"]
    assert known.functions("bank/views.py")


SERVICE = """
def view(request, pk):
    book(pk)

def book(pk):
    account = Account.objects.get(pk=pk)
    account.balance += 1
    account.save()
"""


def test_a_hit_is_told_where_read_and_act_are_and_when_asked_above():
    tree = facts(SERVICE).code.tree
    assert [(hit.function, hit.check) for hit in hits_in(tree, "bank/views.py")] == [
        ("book", "counter-increment")
    ]
    assert hits_in(tree, "bank/views.py", "view") == []
    (hit,) = hits_in(tree, "bank/views.py", "view", followed=True)
    assert (hit.function, hit.read.line, hit.act.line) == ("view", 8, 13)
    assert [place.line for place in hit.calls] == [8]


def test_hits_at_a_line_are_those_of_its_function():
    tree = facts(SERVICE).code.tree
    assert [hit.function for hit in hits_at(tree, "bank/views.py", 12)] == ["book"]
    assert hits_at(tree, "bank/views.py", 2) == []
    assert hits_at(tree, "bank/nowhere.py", 2) == []
