"""The two fixes that write fewer columns: f_expression and update_fields."""

from fixing import code, marked

COUNTER = """
    from django.db import models
    from shop.models import Page


    def view_page(request, pk):
        page = Page.objects.get(pk=pk)  #R
        page.hits = page.hits + 1  # one more
        page.save()  #A
        return page
"""
TITLE = """
    from shop.models import Page


    class PageView(View):
        def post(self, request, pk):
            page = get_object_or_404(Page, pk=pk)  #R
            if request.POST.get('title'):
                page.title = request.POST['title']
            page.body = request.POST['body']
            page.save()  #A
            return redirect(page)
"""


def counted(*lines, after=("return answer(request)",)):
    """The fixed lines from the read on."""
    text = [
        "from shop.models import Page",
        "",
        "",
        "def hit(request, pk):",
        "    page = Page.objects.get(pk=pk)  #R",
    ]
    text += [f"    {each}" for each in (*lines, "page.save()  #A", *after)]
    fixed = marked("\n".join(text), "hit", model="Page").fixed("f_expression")
    return [each.strip() for each in fixed.split("objects.get(pk=pk)\n")[1].split("\n")]


def test_the_database_counts_and_the_count_is_read_again():
    assert marked(COUNTER, "view_page", model="Page").fixed("f_expression") == code("""
        from django.db import models
        from shop.models import Page


        def view_page(request, pk):
            page = Page.objects.get(pk=pk)
            page.hits = models.F("hits") + 1  # one more
            page.save(update_fields=["hits", "updated_at"])
            page.refresh_from_db(fields=["hits"])
            return page
    """)


def test_augmented_assignment_and_compound_values():
    assert counted("page.hits += 1 if new else 0") == [
        'page.hits = F("hits") + (1 if new else 0)',
        'page.save(update_fields=["hits", "updated_at"])',
        "return answer(request)",
    ]
    assert counted("page.hits -= n")[0] == 'page.hits = F("hits") - n'


def test_other_columns_are_saved_as_they_were_assigned():
    assert counted("page.title = title", "page.hits += 1") == [
        "page.title = title",
        'page.hits = F("hits") + 1',
        'page.save(update_fields=["title", "hits", "updated_at"])',
        "return answer(request)",
    ]


def test_a_method_of_the_model_counts():
    case = marked(
        """
        from django.db import models


        class Song(models.Model):
            plays = models.IntegerField()

            def play(self):
                self.plays += 1  #R
                self.save()  #A
        """,
        "Song.play",
        model="Song",
        path="shop/songs/models.py",
    )
    assert case.fixed("f_expression").endswith(
        '        self.plays = models.F("plays") + 1\n        self.save(update_fields=["plays"])\n'
    )


def test_a_limit_is_not_kept_by_counting():
    case = marked(
        """
        from shop.models import Voucher


        def redeem(request, code):
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.used >= voucher.limit:  #T
                return refuse()
            voucher.used += 1
            voucher.save()  #A
        """,
        "redeem",
        model="Voucher",
    )
    assert "`used` is checked before it is counted" in case.reason("f_expression")


def test_is_not_offered_where_nothing_is_counted():
    assert "plus or minus" in marked(TITLE, "PageView.post", model="Page").reason("f_expression")
    text = COUNTER.replace("page.hits + 1", "page.hits * 2")
    assert "plus or minus" in marked(text, "view_page", model="Page").reason("f_expression")


def test_saves_the_assigned_columns_and_what_save_sets_itself():
    text = TITLE.replace("        if request.POST.get('title'):\n            ", "    ")
    assert marked(text, "PageView.post", model="Page").fixed("update_fields") == code("""
        from shop.models import Page


        class PageView(View):
            def post(self, request, pk):
                page = get_object_or_404(Page, pk=pk)
                page.title = request.POST['title']
                page.body = request.POST['body']
                page.save(update_fields=['title', 'body', 'updated_at'])
                return redirect(page)
    """)


def test_a_column_that_is_assigned_under_a_condition_is_saved_under_it_only():
    assert marked(TITLE, "PageView.post", model="Page").fixed("update_fields") == code("""
        from shop.models import Page


        class PageView(View):
            def post(self, request, pk):
                page = get_object_or_404(Page, pk=pk)
                changed = ['body', 'updated_at']
                if request.POST.get('title'):
                    page.title = request.POST['title']
                    changed.append('title')
                page.body = request.POST['body']
                page.save(update_fields=changed)
                return redirect(page)
    """)


def test_a_count_under_a_condition_is_saved_under_it_only():
    assert counted("if new:", "    page.hits += 1", "    page.title = title") == [
        'changed = ["updated_at"]',
        "if new:",
        'page.hits = F("hits") + 1',
        'changed.append("hits")',
        "page.title = title",
        'changed.append("title")',
        "page.save(update_fields=changed)",
        "return answer(request)",
    ]


def test_a_save_of_the_model_that_passes_its_arguments_on_is_fine():
    text = (
        TITLE.replace("Page.", "Ticket.").replace("Page,", "Ticket,").replace("import Page", "import Ticket")
    )
    text = text.replace("page.body", "page.taken")
    fixed = marked(text, "PageView.post", model="Ticket").fixed("update_fields")
    assert "page.save(update_fields=changed)" in fixed


def test_a_save_of_the_model_without_arguments_is_not():
    text = """
        from django.db import models


        class Song(models.Model):
            title = models.TextField()

            def save(self):
                super().save()

            def call(self, title):
                self.title = title  #R
                self.save()  #A
    """
    case = marked(text, "Song.call", model="Song", path="shop/songs/models.py")
    assert "takes no update_fields" in case.reason("update_fields")
    case = marked(
        text.replace("save(self)", "save(self, **kwargs)"),
        "Song.call",
        model="Song",
        path="shop/songs/models.py",
    )
    assert "update_fields=" in case.fixed("update_fields")


def test_update_fields_is_not_offered_where_a_check_decides_or_the_value_is_old():
    case = marked(TITLE.replace("('title'):", "('title'):  #T"), "PageView.post", model="Page")
    assert "depends on the check" in case.reason("update_fields")
    assert "computed from the row" in marked(COUNTER, "view_page", model="Page").reason("update_fields")


def test_update_fields_is_not_offered_where_others_may_change_the_row():
    for line in ("form.apply(page)", "setattr(page, name, 1)", "page.fill(request)"):
        text = TITLE.replace("page.body = request.POST['body']", line)
        assert "may change" in marked(text, "PageView.post", model="Page").reason("update_fields"), line


def test_a_fixed_function_gets_no_proposal():
    fixed = marked(TITLE, "PageView.post", model="Page").fixed("update_fields").split("\n")
    for mark, text in (("R", "get_object_or_404"), ("A", "page.save(")):
        at = next(index for index, line in enumerate(fixed) if text in line)
        fixed[at] += f"  #{mark}"
    case = marked("\n".join(fixed), "PageView.post", model="Page")
    assert "has arguments" in case.reason("update_fields")
    assert "plus or minus" in case.reason("f_expression")


def test_only_what_leads_to_the_save_counts():
    text = """
        from shop.models import Page


        def vote(request, pk):
            page = get_object_or_404(Page, pk=pk)  #R
            page.title = title(request)
            if request.up:
                page.hits += 1
                page.save()  #A
            else:
                page.hits -= 1
                page.body = "down"
                page.save()
            return answer(request)
    """
    fixed = marked(text, "vote", model="Page").fixed("f_expression")
    assert [line.strip() for line in fixed.split("request.up:\n")[1].split("\n")[:6]] == [
        'page.hits = F("hits") + 1',
        'page.save(update_fields=["title", "hits", "updated_at"])',
        "else:",
        'page.hits = F("hits") - 1',
        'page.body = "down"',
        'page.save(update_fields=["title", "hits", "body", "updated_at"])',
    ]


def test_what_a_try_assigned_before_it_failed_is_written_only_if_it_did():
    text = """
        from shop.models import Page


        def vote(request, pk):
            page = get_object_or_404(Page, pk=pk)  #R
            try:
                page.title = title(request)
                check(request)
            except ValueError:
                page.body = "bad"
                page.save()  #A
            return answer(request)
    """
    fixed = marked(text, "vote", model="Page").fixed("update_fields")
    assert [line.strip() for line in fixed.split("pk=pk)\n")[1].split("\n")[:8]] == [
        'changed = ["body", "updated_at"]',
        "try:",
        "page.title = title(request)",
        'changed.append("title")',
        "check(request)",
        "except ValueError:",
        'page.body = "bad"',
        "page.save(update_fields=changed)",
    ]


def test_a_save_that_names_its_columns_keeps_them():
    text = COUNTER.replace("page.save()", "page.save(update_fields=['hits'])")
    fixed = marked(text, "view_page", model="Page").fixed("f_expression")
    assert "models.F('hits') + 1" in fixed and "    page.save(update_fields=['hits'])\n" in fixed


DONE = """
    from shop.models import Page


    def returned(request, pk):
        page = Page.objects.get(pk=pk)  #R
        page.hits += 1
        page.save(update_fields=["hits"])  #A
        if page.hits == page.limit:
            finish(page)
"""


def test_a_count_that_decides_afterwards_is_not_left_to_the_database_without_a_transaction():
    assert "may see the last number" in marked(DONE, "returned", model="Page").reason("f_expression")
    held = DONE.replace("    def returned", "    @transaction.atomic\n    def returned")
    assert 'refresh_from_db(fields=["hits"])' in marked(held, "returned", model="Page").fixed("f_expression")
    shown = DONE.replace("if page.hits == page.limit", "if page.title")
    assert 'F("hits") + 1' in marked(shown, "returned", model="Page").fixed("f_expression")
