"""WSGI entry of the web process."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from yejibao import celery  # noqa: F401  so that a page may hand long work to a worker
from yejibao.core.checks import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
application = get_wsgi_application()
refuse_unsafe_start()

# All pages, loaded before the first request and set apart from the collector: it would walk these half a million objects
# every few seconds and let every page of the process wait a fifth of a second.
get_resolver()._populate()  # Django's own resolver fills itself on the first look-up
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
