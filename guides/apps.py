from django.apps import AppConfig


class GuidesConfig(AppConfig):
    name = "guides"

    def ready(self) -> None:
        from yejibao.core import outbox

        from . import handlers  # noqa: F401  subscribes
        from .footfall import intake as doors  # noqa: F401  registers what may come in
        from .org import (
            doctor,  # noqa: F401  registers
            intake,  # noqa: F401  registers what may come in
        )
        from .org.queries import branches_of

        outbox.register_lanes(branches_of)
