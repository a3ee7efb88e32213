from django.apps import AppConfig


class GuidesConfig(AppConfig):
    name = "guides"

    def ready(self) -> None:
        from yejibao.core import outbox

        from . import handlers  # noqa: F401  subscribes
        from .announcements import board_panels as read  # noqa: F401  hangs its panel
        from .announcements import exporting, push  # noqa: F401  registers its list, renderers
        from .approvals import board_panels as asked  # noqa: F401  hangs its panel
        from .attendance import board_panels as leave  # noqa: F401  hangs its panel
        from .attendance import day_facts  # noqa: F401  registers a figure of the work log
        from .attendance.clockin import board_panels as there  # noqa: F401  hangs its panel
        from .attendance.clockin import exporting as clock_in  # noqa: F401  registers its list
        from .footfall import intake as doors  # noqa: F401  registers what may come in
        from .meetings import exporting as meetings  # noqa: F401  registers its list
        from .notices import pushing  # noqa: F401  registers its renderer
        from .org import (
            doctor,  # noqa: F401  registers
            intake,  # noqa: F401  registers what may come in
        )
        from .org.queries import branches_of
        from .patrol.figures import exporting as patrols  # noqa: F401  registers its list

        outbox.register_lanes(branches_of)
