"""One path a view."""

from django.urls import path

from vault import views

urlpatterns = [
    path(view.__name__, view)
    for view in (
        views.add,
        views.add_locked,
        views.swap,
        views.hold,
        views.sleep,
        views.first_come,
        views.advised,
        views.mine,
        views.remember,
        views.confirm,
        views.whole,
        views.count,
        views.tell,
        views.hand_on,
        views.later,
        views.loud,
    )
]
