import ast

from fixing import MODELS, code, marked

from analysis.source.fixes import Proposal

REVIEW = """
    from shop.models import Review


    def review(request, voucher):
        text = request.POST["text"]
        if Review.objects.filter(author=request.user, voucher=voucher).exists():  #R
            return refuse("already reviewed")
        tell(voucher)
        review = Review.objects.create(author=request.user, voucher=voucher, text=text)  #A
        return answer(review)
"""
PATH = "shop/migrations/0003_shop_review_author_voucher_unique.py"


def review(text=REVIEW, **others):
    return marked(text, "review", model="Review", **others)


def test_the_model_gets_a_constraint_before_its_methods():
    fixed = review().fixed("unique_constraint", "shop/models.py")
    assert fixed == MODELS.replace(
        "    text = models.TextField()\n",
        """    text = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["author", "voucher"], name="shop_review_author_voucher_unique"
            ),
        ]
""",
    )


def test_the_migration_follows_the_last_one_and_says_how_to_find_duplicates():
    found = review().offered("unique_constraint")
    assert found.migration
    assert (
        found.files[PATH]
        == '''"""One shop_review row for each (author_id, voucher_id).

The constraint cannot be made while there are duplicates. This finds them; keep one row
of each group:

    SELECT author_id, voucher_id, count(*) FROM shop_review
    GROUP BY author_id, voucher_id HAVING count(*) > 1;
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("shop", "0002_more"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="review",
            constraint=models.UniqueConstraint(
                fields=["author", "voucher"], name="shop_review_author_voucher_unique"
            ),
        ),
    ]
'''
    )


def test_the_function_answers_the_conflict():
    assert review().fixed("unique_constraint") == code("""
        from shop.models import Review


        def review(request, voucher):
            text = request.POST["text"]
            if Review.objects.filter(author=request.user, voucher=voucher).exists():
                return refuse("already reviewed")
            tell(voucher)
            review, created = Review.objects.get_or_create(
                author=request.user, voucher=voucher, defaults={"text": text}
            )
            if not created:
                return refuse("already reviewed")
            return answer(review)
    """)


def test_an_insert_through_a_serializer_is_handled():
    text = REVIEW.replace(
        "Review.objects.create(author=request.user, voucher=voucher, text=text)", "serializer.save()"
    )
    fixed = review(text).fixed("unique_constraint")
    assert "            review = serializer.save()\n    except IntegrityError:\n" in fixed


def test_get_except_create_gets_its_constraint_too():
    text = """
        from shop.models import Review


        def review(author, voucher):
            try:
                review = Review.objects.get(author=author, voucher=voucher)  #R
            except Review.DoesNotExist:
                review = Review.objects.create(author=author, voucher=voucher)  #A
            return review
    """
    found = review(text).offered("unique_constraint")
    assert PATH in found.files
    assert (
        "review, _ = Review.objects.get_or_create(author=author, voucher=voucher)\n"
        in found.files["shop/views.py"]
    )


def test_a_constant_of_the_look_up_makes_it_a_constraint_for_some_rows():
    text = REVIEW.replace("voucher=voucher)", "voucher=voucher, kind='open')").replace(
        "voucher=voucher, text", "voucher=voucher, kind='open', text"
    )
    found = review(text).offered("unique_constraint")
    path = next(each for each in found.files if "migrations" in each)
    assert 'condition=models.Q(kind="open")' in found.files[path]
    assert "FROM shop_review WHERE kind = 'open'\n" in found.files[path]
    assert 'fields=["author", "voucher"]' in found.files["shop/models.py"]


def test_a_constant_of_the_model_is_looked_up_for_the_migration():
    models = MODELS.replace(
        '    kind = models.CharField(max_length=10, default="open")',
        '    OPEN = "o"\n    kind = models.CharField(max_length=1)',
    )
    text = REVIEW.replace("voucher=voucher)", "voucher=voucher, kind=Review.OPEN)")
    case = review(
        text.replace("voucher=voucher, text", "voucher=voucher, kind=Review.OPEN, text"), shop__models=models
    )
    assert 'condition=models.Q(kind="o")' in case.fixed("unique_constraint", "shop/models.py")


def test_a_list_of_constraints_grows_in_its_own_layout():
    text = """
        from shop.models import Redemption


        def redeem(request, voucher):
            if Redemption.objects.filter(amount=request.amount).exists():  #R
                return refuse()
            Redemption.objects.create(voucher=voucher, user=request.user, amount=request.amount)  #A
    """
    models = marked(text, "redeem", model="Redemption").fixed("unique_constraint", "shop/models.py")
    assert (
        '            models.UniqueConstraint(fields=["voucher", "user"], name="one_redemption"),\n'
        '            models.UniqueConstraint(fields=["amount"], name="shop_redemption_amount_unique"),\n'
        "        ]\n"
    ) in models


def test_nulls_are_not_equal_and_the_reason_says_so():
    text = """
        from shop.models import Voucher


        def give(request):
            if Voucher.objects.filter(owner=request.user).exists():  #R
                return refuse()
            Voucher.objects.create(owner=request.user, code=new_code())  #A
    """
    assert "NULL is never equal" in marked(text, "give", model="Voucher").offered("unique_constraint").why
    assert "NULL" not in review().offered("unique_constraint").why


def test_the_function_and_the_model_can_share_a_file():
    text = """
        from django.db import models


        class Seat(models.Model):
            number = models.IntegerField()

            @classmethod
            def take(cls, number):
                if Seat.objects.filter(number=number).exists():  #R
                    raise Taken(number)
                return Seat.objects.create(number=number)  #A
    """
    migration = "class Migration:\n    dependencies = []\n"
    case = marked(
        text, "Seat.take", model="Seat", path="hall/models.py", hall__migrations__0001_initial=migration
    )
    fixed = case.fixed("unique_constraint")
    assert "class Meta:" in fixed and "except IntegrityError:" in fixed
    assert "from django.db import IntegrityError, models, transaction\n" in fixed


def test_is_not_offered_where_the_constraint_is_there():
    text = REVIEW.replace("Review", "Redemption").replace("author=", "user=").replace(", text=text", "")
    case = marked(text, "review", model="Redemption")
    assert "on these columns already" in case.reason("unique_constraint")


def test_is_not_offered_where_the_key_is_not_plain_columns():
    text = REVIEW.replace("voucher=voucher).exists", "voucher__code=voucher).exists")
    assert "more than equality" in review(text).reason("unique_constraint")
    text = REVIEW.replace("author=request.user, voucher=voucher).exists", "mood=3).exists")
    assert "`mood` is not a column" in review(text).reason("unique_constraint")
    text = REVIEW.replace("Review.objects.filter(author", "Voucher.objects.filter(owner")
    assert "reads Voucher, not the Review" in review(text).reason("unique_constraint")


def test_is_not_offered_without_one_last_migration():
    two = review(
        shop__migrations__0002_other="class Migration:\n    dependencies = [('shop', '0001_initial')]\n"
    )
    assert "2 migrations of shop are followed by none: 0002_more, 0002_other" in two.reason(
        "unique_constraint"
    )
    note = """from django.db import models


class Note(models.Model):
    author = models.IntegerField()
    voucher = models.IntegerField()
    text = models.TextField()
"""
    text = REVIEW.replace("Review", "Note").replace("request.user", "1")
    case = marked(text, "review", model="Note", notes__models=note)
    assert "no migration to build on in notes/migrations" in case.reason("unique_constraint")


def test_hostile_names_and_values_stay_literals():
    text = REVIEW.replace("voucher=voucher).exists", "voucher=voucher, kind='''a\"\"\"; DROP''').exists")
    text = text.replace("voucher=voucher, text", "voucher=voucher, kind='''a\"\"\"; DROP''', text")
    assert "characters that need escapes" in review(text).reason("unique_constraint")
    label = "class Migration:\n    dependencies = [('shop\"\"\"\\nimport os', '0001_initial')]\n"
    assert "need quotes" in review(shop__migrations__0002_more=label).reason("unique_constraint")
    models = MODELS.replace(
        "    text = models.TextField()\n",
        "    text = models.TextField()\n\n    class Meta:\n        db_table = 'x\"\"\" \\' y'\n",
    )
    assert "need quotes" in review(shop__models=models).reason("unique_constraint")


def test_everything_it_writes_is_python():
    found = review().offered("unique_constraint")
    assert isinstance(found, Proposal) and len(found.files) == 3
    for text in found.files.values():
        ast.parse(text)


def test_a_get_or_create_without_a_constraint_gets_one_and_stays_as_it_is():
    text = """
        from shop.models import Review


        def review(author, voucher):
            review, _ = Review.objects.get_or_create(author=author, voucher=voucher, defaults={"text": ""})  #RA
            return review
    """
    found = review(text).offered("unique_constraint")
    assert sorted(found.files) == [PATH, "shop/models.py", "shop/views.py"]
    assert found.files["shop/views.py"] == code(text).replace("  #RA", "")
    assert "a/shop/views.py" not in found.diff
    safe = review(
        text.replace("Review", "Redemption")
        .replace("author=", "user=")
        .replace(', defaults={"text": ""}', "")
    )
    assert "one call that reads and writes" in safe.reason("unique_constraint")


def test_the_query_for_duplicates_leaves_out_what_the_constraint_lets_through():
    text = """
        from shop.models import Voucher


        def give(request):
            if Voucher.objects.filter(owner=request.user, status=Voucher.OPEN).exists():  #R
                return refuse()
            Voucher.objects.create(owner=request.user, status=Voucher.OPEN, code=new_code())  #A
    """
    files = marked(text, "give", model="Voucher").offered("unique_constraint").files
    note = next(text for path, text in files.items() if "migrations" in path).split('"""')[1]
    assert "row for each (owner_id) where status = 'open'.\n" in note
    assert (
        "    SELECT owner_id, count(*) FROM shop_voucher\n"
        "    WHERE status = 'open' AND owner_id IS NOT NULL\n"
        "    GROUP BY owner_id HAVING count(*) > 1;\n"
    ) in note


def test_a_look_up_from_a_row_names_no_column_for_it():
    text = REVIEW.replace(
        "Review.objects.filter(author=request.user, voucher=voucher)", "voucher.reviews.filter(author=me)"
    )
    assert "starts from a row" in review(text).reason("unique_constraint")


def test_the_columns_of_a_query_set_in_a_variable_are_part_of_the_key():
    text = REVIEW.replace(
        "        if Review.objects.filter(author=request.user, voucher=voucher)",
        "        mine = Review.objects.filter(author=request.user)\n        if mine.filter(voucher=voucher)",
    )
    assert 'fields=["author", "voucher"]' in review(text).fixed("unique_constraint", "shop/models.py")
