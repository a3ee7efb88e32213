"""What a text may say."""

import pytest

from tasks.cadences.loading import read_book
from tasks.scripts import words


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{nickname}您好", "认不得变量「nickname」"),
        ("{member_name.phone}您好", "认不得变量「member_name.phone」"),
        ("{member_name!r}", "认不得变量「member_name!r」"),
        ("{}您好", "认不得变量「」"),
        ("{member_name您好", "花括号没有成对"),
        ("看这套{outfit_link}", "链接要放在方括号里，没有链接时整段省去"),
        ("看这套[，点开看]", "方括号「，点开看」里没有链接"),
        ("看这套[，点开看：{outfit_link}", "方括号没有成对"),
        ("全网最低价给您", "不能说「全网最低」"),
        ("羊毛含量100%", "不能说「100%」"),
        ("亲亲，到货啦", "不能说「亲亲」"),
        ("生日快乐🎂🎉", "表情最多一个"),
        ("看⟦这里⟧", "不能用 ⟦ 或 ⟧"),
        ("   ", "还没写内容"),
    ],
)
def test_a_text_with_a_fault_is_named(text, fault):
    assert fault in words.faults_of(text)


def test_a_good_text_has_no_fault():
    assert words.faults_of("{member_name}，{item_name}配好了[，您看：{outfit_link}]😊") == []


@pytest.mark.parametrize("word", read_book("scripts")["forbidden_words"])
def test_every_forbidden_word_is_refused(word):
    assert words.unsaid(f"您放心，{word}，真的") == [f"不能说「{word}」"]


def test_every_variable_has_a_label_and_every_label_is_unique():
    assert set(words.VARIABLE_LABELS) == set(words.variables())
    assert len(words.labels_to_variables()) == len(words.VARIABLE_LABELS)


def test_labels_stand_where_values_will_be():
    assert words.with_labels("{member_name}，看这套[：{outfit_link}]。") == "〔称呼〕，看这套：〔穿搭链接〕。"


@pytest.mark.parametrize(
    ("text", "requires", "service"),
    [
        ("{member_name}，合身吗？", [], True),
        ("{coupon_title}给您放好了", [], False),
        ("给您放好了", ["coupon"], False),
        ("看看[：{outfit_link}]", [], False),
        ("{points}积分", ["points"], True),
    ],
)
def test_service_texts_bring_no_coupon_and_no_link(text, requires, service):
    assert words.is_service(text, requires) is service


def test_every_kind_with_words_for_members_is_under_a_topic():
    kinds = {entry["task_type"] for entry in read_book("scripts")["scripts"] if entry.get("audience") != "internal"}
    kinds |= {f"followup_{node['key']}" for node in read_book("followup_3369")["nodes"]}
    listed = [kind for _, group in words.TOPICS.values() for kind in group]
    assert set(listed) == kinds and len(listed) == len(set(listed))
