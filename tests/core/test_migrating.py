"""Our migrate writes an index down where Django would draw half the product anew."""

from django.db import models
from django.db.migrations.state import ModelState, ProjectState

from yejibao.core.management.commands import migrate


def test_an_index_is_noted_at_the_drawn_model_and_taken_off_it() -> None:
    fields = [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=8))]
    state = ProjectState()
    state.add_model(ModelState("shelf", "Thing", fields, options={"indexes": [], "constraints": []}))
    drawn = state.apps.get_model("shelf", "thing")
    migrate._append_option(state, "shelf", "thing", "indexes", models.Index(fields=["name"], name="thing_by_name"))
    assert state.apps.get_model("shelf", "thing") is drawn
    assert [index.name for index in drawn._meta.indexes] == ["thing_by_name"]
    assert [index.name for index in state.models["shelf", "thing"].options["indexes"]] == ["thing_by_name"]
    migrate._remove_option(state, "shelf", "thing", "indexes", "thing_by_name")
    assert drawn._meta.indexes == [] and state.models["shelf", "thing"].options["indexes"] == []


def test_a_copied_field_comes_after_those_before_it() -> None:
    first = models.CharField(max_length=8, null=True)
    later = models.CharField(max_length=8)
    copy = migrate._copied(first)
    assert (copy.max_length, copy.null) == (8, True) and copy is not first
    assert copy.creation_counter > later.creation_counter


def test_a_new_model_and_a_new_field_stand_beside_what_is_drawn_and_are_known_to_each_other() -> None:
    key = ("id", models.BigAutoField(primary_key=True))
    state = ProjectState()
    state.add_model(ModelState("shelf", "Thing", [key]))
    drawn = state.apps.get_model("shelf", "thing")
    to_thing = models.ForeignKey("shelf.Thing", models.CASCADE, null=True)
    migrate._add_model(state, ModelState("shelf", "Box", [key, ("lid", to_thing)]))
    migrate._add_model(state, ModelState("shelf", "Label", [key]))
    migrate._add_field(state, "shelf", "label", "words", models.CharField(max_length=8, default="x"), False)
    migrate._add_field(state, "shelf", "label", "thing", models.ForeignKey("shelf.Thing", models.CASCADE), True)

    box, label = state.apps.get_model("shelf", "box"), state.apps.get_model("shelf", "label")
    assert state.apps.get_model("shelf", "thing") is drawn
    assert {one.related_model for one in drawn._meta.related_objects} == {box, label}
    assert [one.name for one in label._meta.concrete_fields] == ["id", "words", "thing"]
    assert not label._meta.get_field("words").has_default()
    again = ProjectState(dict(state.models)).apps.get_model("shelf", "label")  # as Django draws all of it
    assert [one.column for one in again._meta.concrete_fields] == [one.column for one in label._meta.concrete_fields]


def test_a_changed_field_draws_its_model_alone_and_a_step_in_python_sees_all_drawn_anew() -> None:
    key = ("id", models.BigAutoField(primary_key=True))
    state = ProjectState()
    state.add_model(ModelState("shelf", "Thing", [key, ("code", models.CharField(max_length=8, unique=True))]))
    to_thing = models.ForeignKey("shelf.Thing", models.CASCADE, null=True)
    state.add_model(ModelState("shelf", "Box", [key, ("words", models.CharField(max_length=8)), ("lid", to_thing)]))
    by_code = models.ForeignKey("shelf.Thing", models.CASCADE, to_field="code")
    state.add_model(ModelState("shelf", "Label", [key, ("thing", by_code)]))
    thing, box = state.apps.get_model("shelf", "thing"), state.apps.get_model("shelf", "box")

    before = state.clone()
    migrate._alter_field(state, "shelf", "box", "words", models.CharField(max_length=20), True)
    unindexed = models.ForeignKey("shelf.Thing", models.CASCADE, null=True, db_index=False)
    migrate._alter_field(state, "shelf", "box", "lid", unindexed, True)
    now = state.apps.get_model("shelf", "box")
    assert (now._meta.get_field("words").max_length, now._meta.get_field("lid").db_index) == (20, False)
    assert before.apps.get_model("shelf", "box") is box and box._meta.get_field("words").max_length == 8
    assert state.apps.get_model("shelf", "thing") is thing and now._meta.get_field("lid").related_model is thing

    seen = state.clone()
    seen.clear_delayed_apps_cache()  # as RunPython does
    drawn = seen.apps.get_model("shelf", "thing")
    assert drawn is not thing and seen.apps.get_model("shelf", "box") in {
        one.related_model for one in drawn._meta.related_objects
    }


def test_a_changed_field_that_other_tables_follow_draws_them_too() -> None:
    key = ("id", models.BigAutoField(primary_key=True))
    state = ProjectState()
    state.add_model(ModelState("shelf", "Thing", [key, ("code", models.CharField(max_length=8, unique=True))]))
    by_code = models.ForeignKey("shelf.Thing", models.CASCADE, to_field="code")
    state.add_model(ModelState("shelf", "Label", [key, ("thing", by_code)]))
    label = state.apps.get_model("shelf", "label")
    migrate._alter_field(state, "shelf", "thing", "code", models.CharField(max_length=20, unique=True), True)
    now = state.apps.get_model("shelf", "label")
    assert now is not label and now._meta.get_field("thing").target_field.max_length == 20
