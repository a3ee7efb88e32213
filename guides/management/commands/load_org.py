"""Load an organisation from a YAML file: units, stores, people and roles. What is there already stays as it is."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from guides.org.loading import load_org, read_spec
from yejibao.core import clock
from yejibao.core.errors import DomainError

WORDS = {"units": "组织", "stores": "门店", "staff": "人员"}


class Command(BaseCommand):
    help = "导入组织：总部、分公司、大区、区域、门店、人员和角色（YAML，格式照 guides/data/demo_org.yaml）。已有的不动，可以重复执行。"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            loaded = load_org(read_spec(path), now=clock.now())
        except OSError as error:
            raise CommandError(f"读不了 {path}：{error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise CommandError(f"{path} 不是 YAML，请照 guides/data/demo_org.yaml 的格式写") from None
        except DomainError as error:
            raise CommandError(f"没有导入：{error.detail or error.title}") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise CommandError(
                f"没有导入：{path} 里缺少或写错了 {error}，请照 guides/data/demo_org.yaml 的格式写"
            ) from None
        made = "，".join(f"{name} {loaded.created[key]}" for key, name in WORDS.items())
        self.stdout.write(f"新建 {made}；共有门店 {len(loaded.stores)}、人员 {len(loaded.staff)}。")
