from django.urls import path

from jobs import views

urlpatterns = [
    path("", views.list_jobs),
    path("/start", views.start_job),
    path("/complete", views.complete_job),
    path("/<int:job_id>", views.job_detail),
]
