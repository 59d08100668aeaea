"""Settings of the bank: every request is one transaction."""

SECRET_KEY = "only-for-re-enactments"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["bank"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "bank", "ATOMIC_REQUESTS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
