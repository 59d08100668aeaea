"""Settings as many projects have them: SQLite unless told otherwise, sessions, a redirect to https."""

SECRET_KEY = "only for tests"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "vault",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
SECURE_SSL_REDIRECT = True
ROOT_URLCONF = "vault.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "vault.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
