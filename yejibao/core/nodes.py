"""The nodes a folded template is made of (core.folding): each says what Django's says, with less looking around."""

from collections.abc import Iterable
from copy import copy
from html import escape
from typing import Any, TypeVar

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
from django.template.defaulttags import IfNode, URLNode
from django.template.loader_tags import BLOCK_CONTEXT_KEY, BlockNode, ExtendsNode, IncludeNode
from django.utils.safestring import SafeString

N = TypeVar("N", bound=Node)

PLAIN_NUMBERS = not settings.USE_THOUSAND_SEPARATOR


def in_place_of(node: Node, other: N) -> N:
    """Say where a node stood that another one stands for."""
    other.token = node.token
    if hasattr(node, "origin"):
        other.origin = node.origin
    return other


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


def join(nodes: Iterable[Node]) -> Folded:
    """Return the nodes with neighbouring texts as one."""
    joined: list[Node] = []
    for node in nodes:
        if isinstance(node, TextNode) and joined and isinstance(joined[-1], TextNode):
            joined[-1] = in_place_of(joined[-1], TextNode(joined[-1].s + node.s))
        else:
            joined.append(node)
    return Folded(joined)


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


class Numbered(Node):
    """`{% url "tasks:task" pk %}`: what stands before and after the number, or the id, is known."""

    child_nodelists = ()

    def __init__(self, node: URLNode, before: str, after: str, kind: type = int) -> None:
        self.node, self.before, self.after, self.kind = node, before, after, kind
        in_place_of(node, self)

    def render(self, context: Context) -> str:
        number = self.node.args[0].resolve(context)
        if type(number) is not self.kind or isinstance(number, int) and number < 0:
            return self.node.render(context)
        address = f"{self.before}{number}{self.after}"
        if self.node.asvar:
            context[self.node.asvar] = address
            return ""
        return address


# ---------------------------------------------------------------- templates within templates


class Part(IncludeNode):
    """`{% include "tasks/part_member.html" %}`: a part named by its template is looked for once."""

    part: Template | None = None

    @classmethod
    def of(cls, node: IncludeNode) -> "Part":
        quick = cls(node.template, extra_context=node.extra_context, isolated_context=node.isolated_context)
        return in_place_of(node, quick)

    def render(self, context: Context) -> SafeString:
        engine = context.template.engine  # type: ignore[union-attr]
        if self.isolated_context or engine.debug:
            return super().render(context)
        part = self.part
        if part is None:
            part = self.part = engine.get_template(self.template.var)
        state = context.render_context
        context.dicts.append({name: value.resolve(context) for name, value in self.extra_context.items()})
        state.dicts.append({})
        try:
            return part.nodelist.render(context)
        finally:
            state.dicts.pop()
            context.dicts.pop()


class Page(ExtendsNode):
    """`{% extends shell %}`: the page and all it extends as one list of nodes, put together for each shell once.

    Django gathers the blocks anew for each answer. A page that says what a block above it says (`block.super`), and one
    whose parents depend on the context, are left to Django.
    """

    parent_name: FilterExpression
    whole: dict[str, Folded | None]

    @classmethod
    def of(cls, node: ExtendsNode) -> "Page":
        page = in_place_of(node, cls(node.nodelist, node.parent_name))
        page.whole = {}
        return page

    def render(self, context: Context) -> SafeString:
        engine = context.template.engine  # type: ignore[union-attr]
        name = self.parent_name.resolve(context)
        if type(name) not in (str, SafeString) or engine.debug or BLOCK_CONTEXT_KEY in context.render_context:
            return super().render(context)
        if name not in self.whole:
            self.whole[name] = self._put_together(context.template, str(name))  # type: ignore[arg-type]
        whole = self.whole[name]
        return super().render(context) if whole is None else whole.render(context)

    def _put_together(self, page: Template, name: str) -> Folded | None:
        blocks, template = dict(self.blocks), page.engine.get_template(name)
        seen = [page, template]
        while above := _extends(template):
            name = _name_in(above.parent_name)
            if not name:
                return None
            blocks = above.blocks | blocks
            template = page.engine.get_template(name)
            if template in seen:
                return None
            seen.append(template)
        if any("block.super" in one.source for one in seen):
            return None
        return join(_filled(template.nodelist, blocks))


class Scope(Node):
    """What a block sets stays in it."""

    def __init__(self, nodelist: Folded) -> None:
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        context.dicts.append({})
        try:
            return self.nodelist.render(context)
        finally:
            context.dicts.pop()


def _extends(template: Template) -> ExtendsNode | None:
    first = next((node for node in template.nodelist if not isinstance(node, TextNode)), None)
    return first if isinstance(first, ExtendsNode) else None


def _name_in(expression: Any) -> str:
    return str(expression.var) if isinstance(expression.var, str) and not expression.filters else ""


def _filled(nodes: Iterable[Node], blocks: dict[str, BlockNode]) -> list[Node]:
    """Return the nodes with what stands in each block in its place."""
    filled: list[Node] = []
    for node in nodes:
        if isinstance(node, BlockNode):
            inside = join(_filled(blocks.get(node.name, node).nodelist, blocks))
            filled += inside if all(type(one) in SETTING_NOTHING for one in inside) else [Scope(inside)]
        elif isinstance(node, NodeList) or not node.get_nodes_by_type(BlockNode):
            filled.append(node)
        else:
            filled.append(_copied(node, blocks))
    return filled


def _copied(node: Node, blocks: dict[str, BlockNode]) -> Node:
    other = copy(node)
    if isinstance(other, IfNode):
        other.conditions_nodelists = [
            (one, join(_filled(inside, blocks))) for one, inside in other.conditions_nodelists
        ]
        return other
    for name in other.child_nodelists:
        if isinstance(inside := getattr(other, name, None), NodeList):
            setattr(other, name, join(_filled(inside, blocks)))
    return other


SETTING_NOTHING = (TextNode, Value, Numbered, Part)
