"""Where the API's paths lead."""

from django.urls import include, path

from accounts.views import me
from config.health import healthz

urlpatterns = [
    path("healthz", healthz),
    path("api/users/me", me),
    path("api/jobs", include("jobs.urls")),
    path("api/comments", include("comments.urls")),
]
