from django.urls import path

from bank import views

urlpatterns = [
    path("deposits/<int:deposit_id>/extend", views.extend),
    path("deposits/<int:deposit_id>/extend-holding", views.extend_holding),
]
