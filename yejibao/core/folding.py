"""A template loader that draws once what never changes: icons, addresses of static files, addresses without arguments.

A page holds some forty of them, each as costly as a field that does change. They become text when a template is first
loaded; of an address with one number only the number is put in later. What fails or depends on the context is left to
each rendering. Fields and conditions stay what they are, looked up the short way where that says the same.
"""

from html import escape
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.base import (
    FilterExpression,
    Node,
    NodeList,
    Template,
    TextNode,
    Variable,
    VariableNode,
    render_value_in_context,
)
from django.template.defaulttags import CommentNode, ForNode, IfNode, LoadNode, TemplateLiteral, URLNode
from django.template.library import SimpleNode
from django.template.loaders import cached
from django.templatetags.static import StaticNode
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

from . import drawing
from .templatetags import yjb

PLAIN_NUMBERS = not settings.USE_THOUSAND_SEPARATOR
PROBES = (739184, 5)  # numbers no address has by itself
STEADY = (yjb.icon, drawing.garment_sprite)  # the same arguments always draw the same


class Loader(cached.Loader):
    """Django's cached loader; what it keeps is folded."""

    def get_template(self, template_name: str, skip: Any = None) -> Template:
        template = super().get_template(template_name, skip)
        if not isinstance(template.nodelist, Folded):
            template.nodelist = fold(template.nodelist)
        return template


class Folded(NodeList):
    """The nodes of a part of a template. What they hold is looked up once: each page that extends another one asks."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__(nodes)
        self._by_type: dict[type[Node], list[Node]] = {}

    def get_nodes_by_type(self, nodetype: type[Node]) -> list[Node]:
        found = self._by_type.get(nodetype)
        if found is None:
            found = self._by_type[nodetype] = super().get_nodes_by_type(nodetype)
        return found

    def render(self, context: Context) -> SafeString:
        if context.template.engine.debug:  # type: ignore[union-attr]  # then each node notes where it fails
            return super().render(context)
        return SafeString("".join([node.s if type(node) is TextNode else node.render(context) for node in self]))


class Name(Variable):
    """A variable, looked up without asking an object without keys for one: Django does, and catches the error."""

    lookups: tuple[str, ...]  # _named() makes these of names only

    def resolve(self, context: Any) -> Any:
        try:
            found = context[self.lookups[0]]
            for name in self.lookups[1:]:
                if type(found) is dict:
                    found = found[name]
                elif hasattr(type(found), "__getitem__"):
                    return super().resolve(context)
                else:
                    found = getattr(found, name)
                if callable(found):
                    return super().resolve(context)
        except Exception:  # noqa: BLE001  Django says what a failure means
            return super().resolve(context)
        return super().resolve(context) if callable(found) else found


class Value(VariableNode):
    """`{{ … }}`: what needs no localizing is put down as it is."""

    def render(self, context: Context) -> str:
        try:
            value = self.filter_expression.resolve(context)
        except UnicodeDecodeError:
            return ""
        kind = type(value)
        if kind is SafeString:
            return value
        if kind is str:
            return escape(value) if context.autoescape else value
        if kind is int and PLAIN_NUMBERS:
            return str(value)
        return str(render_value_in_context(value, context))


def _quicken(node: Node) -> Node:
    """Return a node that looks its variables up the short way."""
    match node:
        case VariableNode() if type(node) is VariableNode:
            quick = Value(node.filter_expression)
            quick.token = node.token
            if hasattr(node, "origin"):
                quick.origin = node.origin
            _name(node.filter_expression)
            return quick
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
        elif folded and isinstance(folded[-1], TextNode):
            folded[-1] = _as_text(folded[-1].s + text, folded[-1])
        else:
            folded.append(_as_text(text, node))
    return Folded(folded)


class Numbered(Node):
    """`{% url "tasks:task" pk %}`: what stands before and after the number is known."""

    child_nodelists = ()

    def __init__(self, node: URLNode, before: str, after: str) -> None:
        self.node, self.before, self.after = node, before, after
        self.token = node.token
        if hasattr(node, "origin"):
            self.origin = node.origin

    def render(self, context: Context) -> str:
        number = self.node.args[0].resolve(context)
        if type(number) is not int or number < 0:
            return self.node.render(context)
        return f"{self.before}{number}{self.after}"


def _address(node: Node) -> Numbered | None:
    """Return an address of one number in a quicker form, None for all others."""
    if (
        not isinstance(node, URLNode)
        or node.asvar
        or node.kwargs
        or len(node.args) != 1
        or not _is_plain(node.view_name)
    ):
        return None
    try:
        found = [str(conditional_escape(reverse(node.view_name.var, args=[number]))) for number in PROBES]
    except NoReverseMatch:
        return None
    before, number, after = found[0].partition(str(PROBES[0]))
    return Numbered(node, before, after) if number and found[1] == f"{before}{PROBES[1]}{after}" else None


def _fold_inside(node: Node) -> None:
    if isinstance(node, IfNode):  # its `nodelist` is put together from these
        node.conditions_nodelists = [(condition, fold(inside)) for condition, inside in node.conditions_nodelists]
        return
    for name in node.child_nodelists:
        inside = getattr(node, name, None)
        if isinstance(inside, NodeList):
            setattr(node, name, fold(inside))


def _as_text(text: str, like: Node) -> TextNode:
    node = TextNode(text)
    node.token = like.token
    if hasattr(like, "origin"):
        node.origin = like.origin
    return node


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
