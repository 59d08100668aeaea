"""Rows that are changed on the strength of an old read: each shape, and what looks like it and is safe."""

from analysis.source import hits_in
from tests.shapes import VIEWS, application, hit, silent

DEPOSIT = """
    from django.db.models import F
    from .models import Account

    def deposit(pk, amount):
        Account.objects.filter(pk=pk).update(balance=F("balance") + amount)
    """
RACY = """
    def rename(request, pk):
        account = Account.objects.get(pk=pk)
        account.balance += 1
        account.save()
    """


def test_read_change_full_save():
    behind = hit(
        "lost-update",
        """
        def rename(request, pk):
            account = get_object_or_404(Account, pk=pk)  # read
            account.name = request.POST["name"]
            account.save()  # act
            return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )
    assert behind.model == "Account"
    assert "update_fields" in behind.cures


def test_the_save_in_a_helper():
    hit(
        "lost-update",
        """
        def _rename(account, name):
            account.name = name
            account.save()

        def rename(request, pk):
            account = Account.objects.get(pk=pk)  # read
            _rename(account, request.POST["name"])
            return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )


def test_the_get_in_a_helper():
    hit(
        "lost-update",
        """
        def _account_of(user, pk):
            return get_object_or_404(Account, pk=pk)

        def rename(request, pk):
            account = _account_of(request.user, pk)
            account.name = request.POST["name"]
            account.save()  # act
            return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )


def test_a_document_merged_in_memory():
    hit(
        "lost-update",
        """
        def merge(request, pk):
            job = Job.objects.get(pk=pk)  # read
            job.result = job.result + request.POST["more"]
            job.save(update_fields=["result"])  # act
            return HttpResponse(status=200)
        """,
    )


def test_state_checked_then_saved():
    hit(
        "limited-use|lost-update",
        """
        def start(request, pk):
            job = Job.objects.get(pk=pk)  # read
            if job.status != "new":  # test
                return HttpResponse(status=409)
            job.status = "running"
            job.save()  # act
            return HttpResponse(status=200)
        """,
    )


def test_a_method_of_a_class_based_view():
    found = hit(
        "lost-update",
        """
        from django.views import View

        class Rename(View):
            def post(self, request, pk):
                account = Account.objects.get(pk=pk)  # read
                account.name = request.POST["name"]
                account.save()  # act
                return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )
    assert found.function == "Rename.post"


def test_an_async_view():
    hit(
        "lost-update",
        """
        async def rename(request, pk):
            account = await Account.objects.aget(pk=pk)  # read
            account.name = request.POST["name"]
            await account.asave()  # act
            return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )


def test_counter_in_memory():
    behind = hit(
        "counter-increment",
        """
        def retry(request, pk):
            job = Job.objects.get(pk=pk)  # read
            job.attempts += 1
            job.save()  # act
            return HttpResponse(status=200)
        """,
    )
    assert "f_expression" in behind.cures


def test_update_fields_do_not_save_a_counter():
    hit(
        "counter-increment",
        """
        def retry(request, pk):
            job = Job.objects.get(pk=pk)  # read
            job.attempts = job.attempts + 1
            job.save(update_fields=["attempts"])  # act
            return HttpResponse(status=200)
        """,
    )


def test_update_with_the_value_that_was_read():
    hit(
        "counter-increment",
        """
        def deposit(request, pk):
            account = Account.objects.get(pk=pk)  # read
            Account.objects.filter(pk=pk).update(balance=account.balance + int(request.POST["amount"]))  # act
            return HttpResponse(status=200)
        """,
    )


def test_f_expression_is_silent():
    silent("""
        def retry(request, pk):
            Job.objects.filter(pk=pk).update(attempts=F("attempts") + 1)
            return HttpResponse(status=200)
        """)


def test_f_expression_in_a_partial_save_is_silent():
    silent("""
        def retry(request, pk):
            job = Job.objects.get(pk=pk)
            job.attempts = F("attempts") + 1
            job.save(update_fields=["attempts"])
            return HttpResponse(status=200)
        """)


def test_update_fields_with_what_the_user_typed_is_silent():
    silent(
        """
        def rename(request, pk):
            account = get_object_or_404(Account, pk=pk)
            account.name = request.POST["name"]
            account.save(update_fields=["name"])
            return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )


def test_lock_first_is_silent():
    silent(
        """
        def rename(request, pk):
            with transaction.atomic():
                account = Account.objects.select_for_update().get(pk=pk)
                account.name = request.POST["name"]
                account.save()
            return HttpResponse(status=200)
        """,
        services=DEPOSIT,
    )


def test_a_locked_manager_helper_is_silent():
    silent("""
        def _locked(pk):
            return Account.objects.select_for_update().get(pk=pk)

        @transaction.atomic
        def deposit(request, pk):
            account = _locked(pk)
            account.balance += int(request.POST["amount"])
            account.save()
            return HttpResponse(status=200)
        """)


def test_get_object_or_404_of_a_locked_queryset_is_silent():
    silent("""
        @transaction.atomic
        def deposit(request, pk):
            account = get_object_or_404(Account.objects.select_for_update(), pk=pk)
            account.balance += int(request.POST["amount"])
            account.save()
            return HttpResponse(status=200)
        """)


def test_a_look_and_then_a_locked_reread_is_silent():
    """Whose it is may be asked before the lock, as nothing changes that; what is changed is read again under it."""
    silent("""
        def start(request, pk):
            job = get_object_or_404(Job, pk=pk)
            if job.owner_id != request.user.pk:
                return HttpResponse(status=403)
            with transaction.atomic():
                job = get_object_or_404(Job.objects.select_for_update(), pk=pk)
                job.status = "running"
                job.save()
            return HttpResponse(status=200)
        """)


def test_reading_is_silent():
    silent("""
        def page(request, pk):
            account = get_object_or_404(Account, pk=pk)
            if account.balance < 0:
                return HttpResponse(status=402)
            account.name = account.name.title()
            return JsonResponse({"name": account.name, "balance": account.balance})
        """)


def test_things_that_are_no_rows_are_silent():
    silent("""
        def keep(request, pk):
            seen = request.session.get("seen", 0)
            request.session["seen"] = seen + 1
            request.session.save()
            cart = {"count": 0}
            cart["count"] += 1
            image = Image.open(request.FILES["image"])
            image.thumbnail((100, 100))
            image.save("/tmp/image.png")
            return HttpResponse(status=200)
        """)


def test_tests_and_migrations_are_not_read():
    assert hits_in(application(RACY), VIEWS)
    text = application(RACY).files[VIEWS].replace("from .models", "from shop.models")
    for path in ("shop/tests/test_views.py", "shop/tests.py", "shop/migrations/0002_data.py", "conftest.py"):
        tree = application(RACY)
        tree.files[path] = text
        assert not hits_in(tree, path), path


def test_a_full_save_that_no_other_writer_can_hurt_is_silent():
    """Both requests write the same column, each what it was sent: the last one wins, as it does in a serial order."""
    silent("""
        def rename(request, pk):
            account = get_object_or_404(Account, pk=pk)
            account.name = request.POST["name"]
            account.save()
            return HttpResponse(status=200)
        """)
