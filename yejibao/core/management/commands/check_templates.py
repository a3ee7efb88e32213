"""Compile every template, so that a misspelt tag is found before a person opens the page."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.base import Template
from django.template.loader_tags import ExtendsNode, IncludeNode


class Command(BaseCommand):
    help = "Compile every template and check that what it extends and includes exists."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        engine = engines["django"].engine  # type: ignore[attr-defined]
        folder = Path(settings.BASE_DIR) / "templates"
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        wrong = []
        for name in names:
            try:
                template = engine.get_template(name)
                for other in _names_it_needs(template):
                    engine.get_template(other)
            except (TemplateSyntaxError, TemplateDoesNotExist, UnicodeDecodeError) as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
        if wrong:
            raise CommandError("\n".join(wrong))
        self.stdout.write(f"{len(names)} templates")


def _names_it_needs(template: Template) -> set[str]:
    """Return the names that stand as plain words in extends and include; computed ones are known only at run time."""
    names = set()
    for node_type, attribute in ((ExtendsNode, "parent_name"), (IncludeNode, "template")):
        for node in template.nodelist.get_nodes_by_type(node_type):
            expression = getattr(node, attribute)
            if isinstance(expression.var, str) and not expression.filters:
                names.add(str(expression.var))
    return names
