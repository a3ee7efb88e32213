"""What the doctor asks about the rules and the words: without them nothing is opened and nobody is greeted."""

from tasks.cadences.models import CadenceVersion
from tasks.scripts.models import Script
from tasks.scripts.welcoming import KIND
from yejibao.wecom import doctor
from yejibao.wecom.doctor import Finding, Patient, ok, wrong


@doctor.check("words", "回访规则和话术", order=165)
def _words(patient: Patient) -> Finding:
    steps = CadenceVersion.objects.filter(state=CadenceVersion.State.PUBLISHED).exists()
    scripts = Script.objects.in_force()
    if not steps or not scripts.exists():
        return wrong(
            "业绩宝里还没有回访规则和话术：买了东西不会开任务，新好友没有欢迎语",
            "在服务器上执行一次 bin/manage load_domain，总部改过的不会动",
            "服务器",
        )
    if not scripts.filter(task_type=KIND, scene__contains=["auto"], requires=[]).exists():
        return wrong(
            "没有一条能直接发的欢迎语，新好友收不到问候", "在话术库里启用「新好友破冰」的自动欢迎语", "业绩宝 → 话术库"
        )
    return ok(f"{scripts.count()} 条话术，欢迎语在内")
