"""Django's migrate without the greater part of its work, so that a first start is not mostly this.

At each index and constraint Django draws the model anew, and with it every model it is related to, which here are nearly all.
No operation looks at more of them than their names; so they are noted at the model that is drawn already. A new model or field is
drawn beside those that are there, as when Python imports models, where Django draws anew whatever is related to it. Of a changed
field only its model is drawn anew, as long as no other table has a column or a key that follows it; before a step in Python
Django draws all of them. Fields are copied as they are for a subclass, where Django takes each apart and puts it together again.
"""

import gc
from copy import deepcopy
from typing import Any

from django.core.management.commands import migrate
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.utils import field_is_referenced, resolve_relation
from django.db.models import NOT_PROVIDED, Field

_clone, _add_field_anew, _alter_field_anew = Field.clone, ProjectState.add_field, ProjectState.alter_field


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        ProjectState._append_option = _append_option  # type: ignore[attr-defined]
        ProjectState._remove_option = _remove_option  # type: ignore[attr-defined]
        ProjectState.add_model, ProjectState.add_field = _add_model, _add_field  # type: ignore[assignment, method-assign]
        ProjectState.alter_field = _alter_field  # type: ignore[assignment, method-assign]
        Field.clone = _copied  # type: ignore[assignment, method-assign]
        gc.freeze()  # what is loaded by now stays; it need not be looked through each time drawn models are thrown away
        return super().handle(*args, **options)


def _append_option(state: ProjectState, app_label: str, model_name: str, option: str, one: Any) -> None:
    options = state.models[app_label, model_name].options
    options[option] = [*options[option], one]
    _note(state, app_label, model_name, option)


def _remove_option(state: ProjectState, app_label: str, model_name: str, option: str, name: str) -> None:
    options = state.models[app_label, model_name].options
    options[option] = [one for one in options[option] if one.name != name]
    _note(state, app_label, model_name, option)


def _note(state: ProjectState, app_label: str, model_name: str, option: str) -> None:
    if "apps" in state.__dict__:  # has been drawn
        drawn = state.apps.get_model(app_label, model_name)
        setattr(drawn._meta, option, list(state.models[app_label, model_name].options[option]))


def _add_model(state: ProjectState, model_state: ModelState) -> None:
    key = model_state.app_label, model_state.name_lower
    state.models[key] = model_state
    if state._relations is not None:  # type: ignore[attr-defined]
        state.resolve_model_relations(key)
    if "apps" in state.__dict__:
        state.apps.render_multiple([model_state])


def _add_field(
    state: ProjectState, app_label: str, model_name: str, name: str, field: Field, preserve_default: bool
) -> None:
    if "apps" not in state.__dict__ or field.many_to_many:  # which makes a model of its own
        return _add_field_anew(state, app_label, model_name, name, field, preserve_default)
    if not preserve_default:
        field = field.clone()
        field.default = NOT_PROVIDED
    state.models[app_label, model_name].fields[name] = field
    if state._relations is not None:  # type: ignore[attr-defined]
        state.resolve_model_field_relations((app_label, model_name), name, field)
    state.apps.get_model(app_label, model_name).add_to_class(name, field.clone())
    state.apps.clear_cache()


def _alter_field(
    state: ProjectState, app_label: str, model_name: str, name: str, field: Field, preserve_default: bool
) -> None:
    key = app_label, model_name
    drawn = state.__dict__.get("apps")
    held = state.models[key].fields[name]
    if drawn is None or not _stays_at_home(state, key, name, held, field):
        return _alter_field_anew(state, app_label, model_name, name, field, preserve_default)
    del state.__dict__["apps"]  # what follows would draw
    _alter_field_anew(state, app_label, model_name, name, field, preserve_default)
    state.__dict__["apps"] = drawn
    drawn.unregister_model(app_label, model_name)
    drawn.render_multiple([state.models[key]])
    state.is_delayed = True  # the models around it know the one before


def _stays_at_home(state: ProjectState, key: tuple[str, str], name: str, held: Any, field: Any) -> bool:
    """Say whether no other table has a column or a key that follows this field's."""
    if held.is_relation or field.is_relation:
        same = held.is_relation and field.is_relation and type(held) is type(field) and not field.many_to_many
        return bool(same and _target(held, key) == _target(field, key))
    return not field_is_referenced(state, key, (name, held)) and not field_is_referenced(state, key, (name, field))


def _target(field: Any, key: tuple[str, str]) -> tuple[str, str]:
    found: tuple[str, str] = resolve_relation(field.remote_field.model, *key)
    return found


def _copied(field: Any) -> Any:
    if field.is_relation or hasattr(field, "model"):  # keeps what it has found out about the models it ties
        return _clone(field)
    copy = deepcopy(field)
    copy.creation_counter = Field.creation_counter  # by which a model orders its fields
    Field.creation_counter += 1
    return copy
