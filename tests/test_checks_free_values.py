"""Values that no row has yet: loops until one is free, helpers that give one back, the number after the last."""

from tests.shapes import hit, silent


def test_a_loop_until_no_row_has_the_value():
    hit(
        "check-then-insert",
        """
        def open_account(request):
            number = request.POST["number"]
            while Account.objects.filter(number=number).exists():  # read
                number = number + "x"
            Account.objects.create(number=number, balance=0)  # act
        """,
    )


def test_a_loop_that_is_left_when_no_row_has_the_value():
    hit(
        "check-then-insert",
        """
        def open_account(request):
            while True:
                number = draw()
                if not Account.objects.filter(number=number).exists():  # read
                    break
            account = Account(number=number, balance=0)
            account.save()  # act
        """,
    )


def test_a_loop_that_goes_on_after_a_conflict_is_silent():
    silent("""
        def open_account(request):
            while True:
                number = draw()
                try:
                    with transaction.atomic():
                        account = Account.objects.create(number=number, balance=0)
                    break
                except IntegrityError:
                    continue
            return JsonResponse({"account": account.pk})
        """)


def test_a_value_that_a_helper_gives_back_when_no_row_has_it():
    hit(
        "next-free",
        """
        def fresh_code():
            while True:
                code = draw()
                if not Coupon.objects.filter(code=code).exists():
                    return code

        def issue(request):
            Coupon.objects.create(code=fresh_code(), limit=1)  # act
        """,
    )


def test_a_value_that_a_helper_draws_is_silent():
    silent("""
        def fresh_code():
            return draw()

        def issue(request):
            Coupon.objects.create(code=fresh_code(), limit=1)
        """)


def test_the_slug_of_a_model_in_its_save():
    hit(
        "check-then-insert",
        """
        class Page(models.Model):
            slug = models.SlugField(unique=True)

            def save(self, *args, **kwargs):
                if not self.slug:
                    slug = base = slugify(self.title)
                    while Page.objects.filter(slug=slug).exists():  # read
                        slug = f"{base}-{draw()}"
                    self.slug = slug
                super().save(*args, **kwargs)  # act
        """,
    )


def test_the_number_after_the_last_as_a_plain_value():
    hit(
        "next-free",
        """
        def bill(request, pk):
            numbers = Invoice.objects.filter(account_id=pk).order_by("-number").values_list("number", flat=True)
            last = numbers.first()  # read
            Invoice.objects.create(account_id=pk, number=(last or 0) + 1)  # act
        """,
    )
