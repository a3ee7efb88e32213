"""The card of one urgent task in the guide's chat: as it comes, and as it stands after she pressed a button.

Buttons want an app that the platform can call back; without that it is a text card that leads to the task.
"""

import re
from datetime import date

from yejibao.wecom.messages import Button, ButtonCard, Content, TextCard, can_be_clicked

from .models import Task
from .wording import Named, due_words, node_name

DONE, LATER = "done", "later"  # the keys of the buttons, as they come back
_NUMBERS = re.compile(r"task-(\d{1,18})-(\d{1,18})", re.ASCII)


def card_of(task: Named, *, number: int, today: date, said: str = "", done: str = "") -> Content:
    """Return the card of a task. `said` is what came of a press, `done` the words of the button that is dead after it.

    Done by hand is for what is done in the chat; a call is noted on the task's page, where one says what came of it.
    """
    title, path, due = f"{task.name} · {node_name(task)}", f"/g/tasks/{task.pk}/", due_words(task, today)
    if not (said or can_be_clicked()):
        return TextCard(title=title, lines=[task.why], highlight=due, path=path, button="去发送")
    buttons = [Button("稍后提醒", key=LATER, style=2)]
    if task.channel == Task.Channel.WECOM:  # first the way that leaves proof
        buttons = [Button("去发送", path=path), Button("完成", key=DONE, style=2), *buttons]
    else:
        buttons = [Button("去打电话" if task.channel == Task.Channel.CALL else "去看看", path=path), *buttons]
    return ButtonCard(
        title=title, note=said or due, text=task.why, path=path, task_id=f"task-{task.pk}-{number}", done=done,
        buttons=buttons,
    )  # fmt: skip


def read_task_id(text: str) -> tuple[int, int] | None:
    """Return the numbers of task and message in a card's task_id, None for a card that is none of these."""
    found = _NUMBERS.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None
