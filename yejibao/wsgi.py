"""WSGI entry of the web process."""

import os

from django.core.wsgi import get_wsgi_application

from yejibao import celery  # noqa: F401  so that a page may hand long work to a worker
from yejibao.core.checks import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
application = get_wsgi_application()
refuse_unsafe_start()
