"""The library comes from the domain files, versioned by text, and refuses what may not be said."""

import copy
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from tasks.cadences.loading import read_book
from tasks.cadences.models import CadenceVersion
from tasks.scripts import loading
from tasks.scripts.coverage import coverage_gaps
from tasks.scripts.models import Script
from tests.factories.guides import make_staff

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
ALL = sum(len(read_book(name)["scripts"]) for name in ("followup_3369", "scripts"))
LATER = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)


@pytest.fixture
def books(monkeypatch):
    """The domain files, to be changed."""
    files = {name: copy.deepcopy(read_book(name)) for name in ("followup_3369", "scripts")}
    monkeypatch.setattr(loading, "read_book", files.__getitem__)
    return files


def load(now=NOW, **options):
    return loading.load_scripts(now=now, **options)


@pytest.mark.django_db
class TestLoad:
    def test_loads_all_of_both_files(self):
        assert load() == {"created": ALL, "changed": 0, "same": 0, "kept": 0, "retired": 0}
        assert Script.objects.in_force().exclude(node="").count() == 41
        script = Script.objects.get(key="m30_suit")
        assert (script.task_type, script.node, script.product, script.timing, script.channel, script.tone) == (
            "followup_m30", "m30", "suit_wool", "same_day", "store", "expert",
        )  # fmt: skip
        assert Script.objects.get(key="announce_remind").audience == "internal"
        assert Script.objects.filter(title="").count() == 0

    def test_twice_is_like_once(self):
        load()
        assert load(LATER) == {"created": 0, "changed": 0, "same": ALL, "kept": 0, "retired": 0}
        assert Script.objects.count() == ALL

    def test_a_changed_text_is_a_new_version_and_the_old_one_stays(self, books):
        load()
        books["followup_3369"]["scripts"][0]["text"] = "{member_name}，谢谢您！"
        assert load(LATER)["changed"] == 1
        key = books["followup_3369"]["scripts"][0]["key"]
        versions = list(Script.objects.filter(key=key).order_by("version").values_list("version", "is_current"))
        assert versions == [(1, False), (2, True)]

    def test_a_script_that_left_the_file_is_not_offered_any_more(self, books):
        load()
        gone = books["scripts"]["scripts"].pop()
        assert load(LATER)["retired"] == 1
        assert not Script.objects.in_force().filter(key=gone["key"]).exists()

    def test_what_hq_edited_stays(self, books):
        load()
        old = Script.objects.get(key="m30_suit")
        Script.objects.filter(pk=old.pk).update(is_current=False)
        hq = make_staff("hq_operator")
        Script.objects.create(
            key="m30_suit",
            version=2,
            task_type="followup_m30",
            node="m30",
            text="总部改过",
            created_at=NOW,
            created_by=hq,
        )
        assert load(LATER)["same"] == ALL
        next(s for s in books["followup_3369"]["scripts"] if s["key"] == "m30_suit")["text"] = "{member_name}，新的"
        assert load(LATER)["kept"] == 1
        assert Script.objects.in_force().get(key="m30_suit").text == "总部改过"
        assert load(LATER, replace_edited=True)["changed"] == 1
        assert Script.objects.in_force().get(key="m30_suit").version == 3

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"text": "{nickname}您好"}, "nickname"),
            ({"text": "绝对好"}, "绝对"),
            ({"requires": ["luck"]}, "luck"),
            ({"product": "socks"}, "socks"),
            ({"key": "m30_suit"}, "twice"),
        ],
    )
    def test_a_faulty_script_stops_the_load(self, books, change, said):
        books["followup_3369"]["scripts"][0].update(change)
        with pytest.raises(loading.ScriptRefused, match=said):
            load()
        assert Script.objects.count() == 0

    def test_a_hole_in_the_coverage_stops_the_load(self, books):
        books["followup_3369"]["scripts"] = [s for s in books["followup_3369"]["scripts"] if s["key"] != "d3_any_fit"]
        with pytest.raises(loading.ScriptRefused, match="nothing to say: d3 repeat shirt store"):
            load()

    def test_the_command_loads_rules_and_words(self, capsys):
        call_command("load_domain")
        call_command("load_domain")
        assert "cadence 3369: version 1, 5 steps" in capsys.readouterr().out
        assert (CadenceVersion.objects.count(), Script.objects.count()) == (1, ALL)


def test_something_can_be_said_at_every_node_to_everybody_about_everything():
    book = read_book("followup_3369")
    assert coverage_gaps(book["scripts"], book) == []


@pytest.mark.parametrize(
    ("without", "gap"),
    [
        ("m30_nextday_delivery", "m30 first shirt delivery next_day"),
        ("m30_any_store", "m30 loyal coat store same_day"),
        ("d30_any_wear", "d30 loyal polo delivery"),
        ("d60_any_visit", "d60 repeat shoes store"),
        ("d90_ask_need", "d90 first knit store"),
    ],
)
def test_the_coverage_rule_finds_what_is_missing(without, gap):
    book = read_book("followup_3369")
    assert gap in coverage_gaps([script for script in book["scripts"] if script["key"] != without], book)


def test_a_script_with_a_coupon_does_not_cover_those_who_opted_out():
    book = read_book("followup_3369")
    scripts = [
        {**script, "text": "{coupon_title}送您"} if script["key"] == "d3_any_fit" else script
        for script in book["scripts"]
    ]
    assert "d3 loyal coat store service" in coverage_gaps(scripts, book)
