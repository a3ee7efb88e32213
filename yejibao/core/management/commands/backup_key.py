"""`backup_key [--json]`: print a new pair of keys for backups. Nothing is stored and no setting is needed."""

from typing import Any

import pyrage
from django.core.management.base import CommandParser

from yejibao.core.management.scratch import PrintingCommand


class Command(PrintingCommand):
    help = "生成一对新的备份钥匙并打印出来（和 age-keygen 一样），哪里也不保存：公钥填进 YEJIBAO_BACKUP_RECIPIENTS，私钥锁在别处。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        identity = pyrage.x25519.Identity.generate()
        public, private = str(identity.to_public()), str(identity)
        if options["json"]:
            self.print_json({"recipient": public, "identity": private})
            return
        self.stdout.write(f"YEJIBAO_BACKUP_RECIPIENTS={public}")
        self.stdout.write(private)
        self.stderr.write(
            "第一行填进环境变量，第二行是私钥：存成一个文件，离开这台机器，锁两处；丢了它，备份谁也打不开。恢复时用 --identity 指它。\n"
        )
