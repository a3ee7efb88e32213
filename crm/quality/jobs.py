"""Celery entry points."""
