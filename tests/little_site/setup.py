"""Three boxes, a slip, and the requests that the evidence names: a list of (view, body)."""

from django.contrib.auth.models import User
from vault.models import Box, Slip


def rows(evidence):
    boxes = [Box.objects.create(pk=number, coins=10 * number) for number in (1, 2, 3)]
    Slip.objects.create(pk=1, box=boxes[0], writer="before")
    return {"asked": evidence["asked"], "user": User.objects.create_user("ada")}


def requests(rows):
    sent = []
    for view, body in rows["asked"]:
        how = {"data": body, "user": rows["user"]} if view == "mine" else {"json": body}
        sent.append({"method": "POST", "path": f"/{view}", **how})
    return sent
