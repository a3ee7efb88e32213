"""The few marks of a text, and that nothing a person writes becomes a tag."""

import pytest

from guides.announcements.wording import html_of, minutes_to_read, plain_of


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("一句话", "<p>一句话</p>"),
        ("上\n下\n\n另起", "<p>上<br>下</p><p>另起</p>"),
        ("**今天**三件事\n1. 换橱窗\n2、拍照", "<p><b>今天</b>三件事</p><ol><li>换橱窗</li><li>拍照</li></ol>"),
        ("- 甲\n- 乙\n完", "<ul><li>甲</li><li>乙</li></ul><p>完</p>"),
        ("## 小标题\n字", "<h3>小标题</h3><p>字</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ('**<img src=x onerror="x">**', "<p><b>&lt;img src=x onerror=&quot;x&quot;&gt;</b></p>"),
        ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
        (
            "看 https://a.cn/x?a=1&b=2。",
            '<p>看 <a href="https://a.cn/x?a=1&amp;b=2" rel="noopener noreferrer" target="_blank">https://a.cn/x?a=1&amp;b=2</a>。</p>',
        ),
    ],
)
def test_marks_become_tags_and_tags_become_text(body: str, html: str) -> None:
    assert html_of(body) == html


@pytest.mark.parametrize(
    "body", ['https://a.cn/"onclick="x', "https://a.cn/'><script>", "**https://a.cn/**<b>", "https://<script>"]
)
def test_an_address_ends_before_what_could_leave_its_attribute(body: str) -> None:
    html = html_of(body)
    assert "<script" not in html and 'onclick="' not in html


def test_the_beginning_in_plain_words() -> None:
    assert plain_of("## 通知\n**今天** 18:00", 20) == "通知 今天 18:00"
    assert plain_of("字" * 50, 10) == "字" * 9 + "…"
    assert (minutes_to_read(""), minutes_to_read("字" * 1200)) == (1, 3)
