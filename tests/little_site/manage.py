"""Names the settings, as Django's own manage.py does."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vault.settings")
