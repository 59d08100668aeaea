"""The rows that the handlers need, by the names that truth.toml uses; runs inside the application's interpreter."""

from typing import Any


def product() -> dict[str, Any]:
    from django.contrib.auth.models import User
    from shop.models import Product

    return {
        "product": Product.objects.create(name="lamp").pk,
        "reader": User.objects.create(username="reader"),
    }


def customer() -> dict[str, Any]:
    from shop.models import Customer

    return {"customer": Customer.objects.create(name="Ada", phone="000", city="Linz").pk}


def article() -> dict[str, Any]:
    from shop.models import Article

    return {"article": Article.objects.create(title="On locks").pk}


def voucher() -> dict[str, Any]:
    from shop.models import Voucher

    return {"code": Voucher.objects.create(code="TEN").code}


def event() -> dict[str, Any]:
    from shop.models import Event

    return {"event": Event.objects.create(title="Concert", capacity=1).pk}


def ticket() -> dict[str, Any]:
    from shop.models import Event, Ticket

    event = Event.objects.create(title="Concert", capacity=1)
    return {"ticket": Ticket.objects.create(event=event, holder="a@example.org").pk}


def account() -> dict[str, Any]:
    from shop.models import Account, Order

    one, other = (Order.objects.create(customer="ada@example.org", cents=cents) for cents in (500, 600))
    return {"account": Account.objects.create(name="Ada").pk, "order": one.pk, "other": other.pk}


def wallets() -> dict[str, Any]:
    from shop.models import Wallet

    one, other = (Wallet.objects.create(owner=name, cents=100) for name in ("Ada", "Bob"))
    return {"wallet": one.pk, "other": other.pk}


def open_order() -> dict[str, Any]:
    from shop.models import Order

    return {"order": Order.objects.create(customer="ada@example.org", cents=500).pk}


def paid_order() -> dict[str, Any]:
    from shop.models import Order

    return {"order": Order.objects.create(customer="ada@example.org", cents=500, status=Order.PAID).pk}


def team() -> dict[str, Any]:
    from shop.models import Membership, Team

    team = Team.objects.create(name="night shift")
    one, other = (Membership.objects.create(team=team, person=name) for name in ("Ada", "Bob"))
    return {"member": one.pk, "other": other.pk}


def invite() -> dict[str, Any]:
    from shop.models import Invite, Team

    team = Team.objects.create(name="night shift")
    return {"invite": Invite.objects.create(team=team, email="c@example.org").pk}


def deposit() -> dict[str, Any]:
    from bank.models import Deposit

    return {"deposit": Deposit.objects.create(owner="Ada").pk}


MAKERS = {
    "product": product, "customer": customer, "article": article, "voucher": voucher, "event": event,
    "ticket": ticket, "account": account, "wallets": wallets, "open_order": open_order,
    "paid_order": paid_order, "team": team, "invite": invite, "deposit": deposit,
}  # fmt: skip


def rows(evidence: dict[str, Any]) -> dict[str, Any]:
    """The rows; `evidence` is a handler's truth: its `rows`, `requests` and `user`."""
    return {**MAKERS[evidence["rows"]](), "evidence": evidence}


def requests(rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The two requests; their paths and texts are filled in with what was made."""
    evidence = rows["evidence"]
    user = rows[evidence["user"]] if evidence.get("user") else None
    return [
        {
            "method": "POST",
            "path": each["path"].format(**rows),
            "data": {name: str(value).format(**rows) for name, value in each["data"].items()},
            "headers": evidence.get("headers", {}),
            "user": user,
        }
        for each in evidence["requests"]
    ]
