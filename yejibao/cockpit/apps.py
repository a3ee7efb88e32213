from django.apps import AppConfig


class CockpitConfig(AppConfig):
    name = "yejibao.cockpit"
    label = "cockpit"
