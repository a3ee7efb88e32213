"""A template loader that draws once what never changes: icons, addresses of static files, addresses without arguments.

A page holds some forty of them, each as costly as a field that does change. They become text when a template is first
loaded; of an address with one number only the number is put in later. What fails or depends on the context is left to
each rendering. Fields and conditions stay what they are, looked up the short way where that says the same.
"""

from typing import Any
from uuid import UUID

from django.template import Context
from django.template.base import FilterExpression, Node, NodeList, Template, TextNode, Variable, VariableNode
from django.template.defaulttags import CommentNode, ForNode, IfNode, LoadNode, TemplateLiteral, URLNode
from django.template.library import SimpleNode
from django.template.loader_tags import ExtendsNode, IncludeNode
from django.template.loaders import cached
from django.templatetags.static import StaticNode
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape

from . import drawing
from .nodes import Folded, Name, Numbered, Page, Part, Value, in_place_of, join
from .templatetags import yjb

# What no address has by itself: numbers, and ids of rows that are shown outside.
PROBES: tuple[tuple[Any, Any], ...] = (
    (739184, 5), (UUID("7f3b1c52-9d0e-4a86-b1f4-2c6e8a905d17"), UUID("00000000-0000-4000-8000-000000000001")),
)  # fmt: skip
STEADY = (yjb.icon, drawing.garment_sprite)  # the same arguments always draw the same


class Loader(cached.Loader):
    """Django's cached loader; what it keeps is folded."""

    def get_template(self, template_name: str, skip: Any = None) -> Template:
        template = super().get_template(template_name, skip)
        if not isinstance(template.nodelist, Folded):
            template.nodelist = fold(template.nodelist)
        return template


def _quicken(node: Node) -> Node:
    """Return a node that looks its variables up the short way."""
    match node:
        case VariableNode() if type(node) is VariableNode:
            _name(node.filter_expression)
            return in_place_of(node, Value(node.filter_expression))
        case ExtendsNode() if type(node) is ExtendsNode:
            return Page.of(node)
        case IncludeNode() if _is_plain(node.template) and not node.template.var.startswith("."):
            for one in node.extra_context.values():
                _name(one)
            return Part.of(node)
        case IfNode():
            for condition, _ in node.conditions_nodelists:
                _name_in(condition)
        case ForNode():
            _name(node.sequence)
        case SimpleNode() | URLNode():
            for one in (*node.args, *node.kwargs.values()):
                _name(one)
    return node


def _name_in(condition: Any) -> None:
    """Go through a condition: `not`, `and`, `==` have others inside."""
    if isinstance(condition, TemplateLiteral):
        _name(condition.value)
    else:
        for inside in (getattr(condition, "first", None), getattr(condition, "second", None)):
            if inside is not None:
                _name_in(inside)


def _name(expression: Any) -> None:
    if not isinstance(expression, FilterExpression):
        return
    expression.var = _named(expression.var)
    expression.filters = [
        (function, [(is_name, _named(value) if is_name else value) for is_name, value in arguments])
        for function, arguments in expression.filters
    ]


def _named(variable: Any) -> Any:
    if type(variable) is Variable and variable.lookups is not None and not variable.translate:
        return Name(variable.var)
    return variable


def fold(nodes: NodeList) -> Folded:
    """Return the nodes with all that is steady as text, neighbouring texts as one; also inside blocks, loops and ifs."""
    folded: list[Node] = []
    for node in nodes:
        text = _text(node)
        if text is None:
            _fold_inside(node)
            folded.append(_address(node) or _quicken(node))
        else:
            folded.append(in_place_of(node, TextNode(text)))
    return join(folded)


def _address(node: Node) -> Numbered | None:
    """Return an address of one number or id in a quicker form, None for all others."""
    if not isinstance(node, URLNode) or node.kwargs or len(node.args) != 1 or not _is_plain(node.view_name):
        return None
    for first, second in PROBES:
        try:
            found = [str(conditional_escape(reverse(node.view_name.var, args=[one]))) for one in (first, second)]
        except NoReverseMatch:
            continue
        before, there, after = found[0].partition(str(first))
        return Numbered(node, before, after, type(first)) if there and found[1] == f"{before}{second}{after}" else None
    return None


def _fold_inside(node: Node) -> None:
    if isinstance(node, IfNode):  # its `nodelist` is put together from these
        node.conditions_nodelists = [(condition, fold(inside)) for condition, inside in node.conditions_nodelists]
        return
    for name in node.child_nodelists:
        inside = getattr(node, name, None)
        if isinstance(inside, NodeList):
            setattr(node, name, fold(inside))


def _text(node: Node) -> str | None:
    """Return what a node always says, or None."""
    match node:
        case TextNode():
            return str(node.s)
        case CommentNode() | LoadNode():
            return ""
        case StaticNode(varname=None) if _is_plain(node.path):
            arguments = [node.path]
        case SimpleNode(target_var=None) if node.func in STEADY:
            arguments = [*node.args, *node.kwargs.values()]
        case URLNode(asvar=None | "", args=[], kwargs={}) if not node.kwargs:
            arguments = [node.view_name]
        case _:
            return None
    if not all(_is_plain(one) for one in arguments):
        return None
    try:
        return str(conditional_escape(node.render(Context())))
    except Exception:  # noqa: BLE001  the page that draws it will say what is wrong
        return None


def _is_plain(expression: Any) -> bool:
    """Tell whether an argument is a word in quotes or a number, without filters."""
    return not expression.filters and (isinstance(expression.var, str) or expression.var.lookups is None)
