from fixing import code, marked

SEND = """
    from django.db import transaction
    from shop.models import Page
    from shop.tasks import index


    @transaction.atomic
    def post(request, pk):
        page = Page.objects.create(title=request.POST["title"])  #R
        # the search needs it
        index.delay(page.pk, full=True)  #A
        page.save()
"""


def sent(line, before="", text=SEND, **others):
    """The fixed line in place of `index.delay(…)`."""
    text = text.replace("index.delay(page.pk, full=True)", line)
    fixed = marked(text, "post", model="Page", check="side-effect-before-commit", **others).fixed("on_commit")
    return fixed.split("needs it\n")[1].split("    page.save()")[0].strip()


def refused(line, text=SEND):
    text = text.replace("index.delay(page.pk, full=True)", line)
    return marked(text, "post", model="Page").reason("on_commit")


def test_the_call_waits_for_the_commit():
    assert marked(SEND, "post", model="Page").fixed("on_commit") == code("""
        from functools import partial

        from django.db import transaction
        from shop.models import Page
        from shop.tasks import index


        @transaction.atomic
        def post(request, pk):
            page = Page.objects.create(title=request.POST["title"])
            # the search needs it
            transaction.on_commit(partial(index.delay, page.pk, full=True))
            page.save()
    """)


def test_each_kind_of_call():
    assert sent("index.delay()") == "transaction.on_commit(index.delay)"
    assert sent("send_mail('new', 'text', sender, [page.author])") == (
        "transaction.on_commit(partial(send_mail, 'new', 'text', sender, [page.author]))"
    )
    assert sent("index.apply_async(args=[page.pk], countdown=3)") == (
        "transaction.on_commit(partial(index.apply_async, args=[page.pk], countdown=3))"
    )


def test_a_block_inside_a_method():
    text = """
        from django.db import transaction


        class PageView(View):
            def post(self, request):
                with transaction.atomic():
                    page = Page.objects.create(title=request.title)  #R
                    if page.title:
                        index.delay(
                            page.pk,
                            full=True,
                        )  #A
                return answer(page)
    """
    fixed = marked(text, "PageView.post", model="Page").fixed("on_commit")
    assert fixed.split("if page.title:\n")[1].split("        return")[0] == (
        "                transaction.on_commit(partial(index.delay, page.pk, full=True))\n"
    )
    commented = text.replace("page.pk,", "page.pk,  # the key")
    assert "would be lost" in marked(commented, "PageView.post", model="Page").reason("on_commit")


def test_atomic_requests_is_a_transaction():
    text = SEND.replace("    @transaction.atomic\n", "")
    assert "no transaction is open" in marked(text, "post", model="Page").reason("on_commit")
    settings = 'DATABASES = {"default": {"ENGINE": "x", "ATOMIC_REQUESTS": True}}\n'
    assert "on_commit(partial" in marked(text, "post", model="Page", site__settings=settings).fixed(
        "on_commit"
    )
    settings = settings.replace("True", "False")
    assert "no transaction" in marked(text, "post", model="Page", site__settings=settings).reason("on_commit")


def test_is_not_offered_for_what_sends_nothing_or_is_used():
    assert "not known to send" in refused("page.touch()")
    assert "what it returns is used" in refused("task = index.delay(page.pk)")
    assert "what it returns is used" in refused("return index.delay(page.pk)")


def test_a_fixed_function_gets_no_proposal():
    assert "waits for the commit" in refused("transaction.on_commit(partial(index.delay, page.pk))")
