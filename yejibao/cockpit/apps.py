from django.apps import AppConfig


class CockpitConfig(AppConfig):
    name = "yejibao.cockpit"
    label = "cockpit"

    def ready(self) -> None:
        from .audit import exporting  # noqa: F401  registers its list
