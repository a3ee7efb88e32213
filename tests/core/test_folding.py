"""What the template loader draws once, and what it leaves to each rendering."""

from typing import Any

import pytest
from django.template import Context, Engine, Template, TemplateDoesNotExist
from django.template.base import TextNode
from django.urls import NoReverseMatch
from django.utils.safestring import mark_safe

from yejibao.core.folding import Folded, Numbered, fold

PIECES = """{% load static %}{# a word #}<b>{% icon "phone" "i-22" %}</b>{% static "yjb.css" %}{% url "tasks:today" %}
{% if shown %}{% icon "x" %}{{ name }}{% else %}{% url "tasks:today" %}{% endif %}{% for one in many %}{% icon "check" %}{{ one }}{% endfor %}
{% block inner %}{% icon name %}{% url "tasks:task" pk %}{% garment_sprite %}{% endblock %}{% url "nothing:here" as gone %}{{ gone }}"""


def folded(source: str) -> Template:
    template = Template(source)
    template.nodelist = fold(template.nodelist)
    return template


@pytest.mark.parametrize("shown", [True, False])
def test_a_folded_template_says_the_same(shown: bool) -> None:
    facts: dict[str, Any] = {"shown": shown, "name": "<王>", "many": [1, 2], "pk": 7}
    assert folded(PIECES).render(Context(facts)) == Template(PIECES).render(Context(facts))


def test_what_never_changes_becomes_one_text() -> None:
    (only,) = folded('{% load static %}<i>{% icon "phone" %}{% static "yjb.css" %}{% url "tasks:today" %}</i>').nodelist
    assert isinstance(only, TextNode) and "#i-phone" in only.s and only.s.endswith("/g/today/</i>")


def test_an_address_of_a_number_is_put_together_and_any_other_is_looked_up() -> None:
    template = folded('{% url "tasks:task" pk %}')
    assert template.render(Context({"pk": 7})) == "/g/tasks/7/" and isinstance(template.nodelist[0], Numbered)
    assert template.render(Context({"pk": "8"})) == "/g/tasks/8/"
    with pytest.raises(NoReverseMatch):
        template.render(Context({"pk": "x"}))


def test_what_cannot_be_said_is_left_to_the_page() -> None:
    template = folded('{% url "nothing:here" %}')
    with pytest.raises(NoReverseMatch):
        template.render(Context())


def test_the_product_folds_what_it_loads() -> None:
    template = Engine.get_default().get_template("tasks/today.html")
    assert isinstance(template.nodelist, Folded)
    assert template.nodelist.get_nodes_by_type(TextNode) is template.nodelist.get_nodes_by_type(TextNode)


class Person:
    name = "<王>"
    children: list["Person"] = []

    def __init__(self, age: int = 3) -> None:
        self.age = age

    @property
    def broken(self) -> str:
        raise KeyError("nothing")

    def called(self) -> str:
        return "王先生"


LOOKUPS = """{{ one.name }} {{ one.age }} {{ one.called }} {{ one.nothing }} {{ none.at.all }} {{ facts.key }} {{ facts.items }} {{ facts.gone }}
{{ many.0.name }} {{ make.age }} {{ safe }} {{ share }} {{ word|default:one.name }} {{ one.age|add:one.age }} {{ "<b>"|upper }}
{% autoescape off %}{{ one.name }}{% endautoescape %}
{% if one.age == 3 and not one.nothing or one.called %}yes{% endif %}{% for key, value in facts.items %}{{ key }}{{ forloop.last }}{% endfor %}"""


def test_a_field_looked_up_the_short_way_says_what_django_says() -> None:
    facts: dict[str, Any] = {
        "one": Person(), "none": None, "facts": {"key": 1, "other": "x"}, "many": [Person()], "make": Person, "share": 0.5,
        "safe": mark_safe("<i>"), "word": "",
    }  # fmt: skip
    assert folded(LOOKUPS).render(Context(facts)) == Template(LOOKUPS).render(Context(facts))


@pytest.mark.parametrize("source", ["{{ one.broken }}", "{{ word|add:one.nothing }}"])
def test_a_field_that_fails_fails_as_with_django(source: str) -> None:
    said = []
    for template in (folded(source), Template(source)):
        try:
            said.append(template.render(Context({"one": Person(), "word": "x"})))
        except Exception as error:  # noqa: BLE001
            said.append(type(error).__name__)
    assert said[0] == said[1]


FAMILY = {
    "root.html": "<title>{% block title %}root{% endblock %}</title>{% if wide %}{% block side %}side {{ name }}{% endblock %}{% endif %}"
    "{% block body %}-{% endblock %}|{{ places }}|{% block end %}{% endblock %}",
    "shell.html": '{% extends "root.html" %}{% block body %}<main>{% block content %}{% endblock %}</main>'
    '{% block bar %}{% include "part.html" with name="bar" %}{% endblock %}{% endblock %}',
    "page.html": '{% extends shell %}{% block title %}page{% endblock %}{% block content %}{% url "tasks:today" as places %}'
    '{{ name }}{% include "part.html" %}{% include "part.html" with name=1 only %}{% endblock %}{% block side %}mine{% endblock %}',
    "more.html": '{% extends "page.html" %}{% block content %}{{ block.super }}, more{% endblock %}{% block bar %}{% endblock %}',
    "last.html": '{% extends "page.html" %}{% block end %}{% include "more.html" %}{% include gone %}{% endblock %}',
    "part.html": "[{{ name }}{% now 'Y' as places %}{{ places|length }}]",
}


@pytest.mark.parametrize("name", ["page.html", "more.html", "last.html"])
@pytest.mark.parametrize("shell", ["shell.html", "root.html"])
@pytest.mark.parametrize("wide", [True, False])
def test_a_page_put_together_says_the_same(name: str, shell: str, wide: bool) -> None:
    locmem = ("django.template.loaders.locmem.Loader", FAMILY)
    folding = Engine(loaders=[("yejibao.core.folding.Loader", [locmem])])
    facts = {"shell": shell, "wide": wide, "name": "<王>", "gone": "part.html"}
    expected = Engine(loaders=[locmem]).get_template(name).render(Context(facts))
    assert "<title>page</title>" in expected
    for _ in range(2):
        assert folding.get_template(name).render(Context(facts)) == expected


def test_a_part_that_is_not_there_is_missed_when_it_is_drawn() -> None:
    pages = {"page.html": '{% if shown %}{% include "gone.html" %}{% endif %}'}
    engine = Engine(loaders=[("yejibao.core.folding.Loader", [("django.template.loaders.locmem.Loader", pages)])])
    assert engine.get_template("page.html").render(Context()) == ""
    with pytest.raises(TemplateDoesNotExist):
        engine.get_template("page.html").render(Context({"shown": True}))
