from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "crm"

    def ready(self) -> None:
        from . import handlers  # noqa: F401  subscribes
        from .aftersale import intake as requests  # noqa: F401  registers what may come in
        from .benefits import health as points  # noqa: F401  registers signs of health
        from .catalogue import copying as goods_copied  # noqa: F401  registers its sections of a member's copy
        from .catalogue import forgetting as goods_forgotten  # noqa: F401  registers what becomes of a member's promises
        from .catalogue import intake as goods  # noqa: F401  registers what may come in
        from .finance import doctor  # noqa: F401  registers with the doctor
        from .finance import exporting as finance  # noqa: F401  registers its sheet
        from .finance import health as bills  # noqa: F401  registers signs of health
        from .friends import day_facts as friends_won  # noqa: F401  registers figures of the work log
        from .members import exporting  # noqa: F401  registers its list
        from .members import intake as people  # noqa: F401  registers what may come in
        from .orders import (
            board_panels,  # noqa: F401  hangs its panel
            patrol_panels,  # noqa: F401  hangs a block before a patrol
            stock_panel,  # noqa: F401  hangs another
            store_facts,  # noqa: F401  registers what patrols are reminded of
        )
        from .orders import day_facts as sold  # noqa: F401  registers figures of the work log
        from .orders import health as till  # noqa: F401  registers signs of health
        from .orders import intake as sales  # noqa: F401  registers what may come in
        from .privacy import health as privacy  # noqa: F401  registers signs of health
        from .scoring import health  # noqa: F401  registers signs of health
        from .tags import store_facts as tags  # noqa: F401  registers what patrols are reminded of
        from .wallet import health as ledger  # noqa: F401  registers signs of health
