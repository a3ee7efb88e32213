"""Who came in and should not have, as far as the house notices it by itself."""

from yejibao.core import words

from .fault import HQ, SAFE, Facts, Fault, Step


def walking(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        "待处理", f"一天里停了 {words.count(facts['count'])} 次登录：连着打开不存在的地址",
        "每个地址都答了“找不到”，没有看到别人的资料；这次登录已经停掉，要重新登录。" + SAFE,
        (
            Step(HQ, "系统管理员在审计里查「auth.session_locked」是谁、从哪个地址来的，问一问本人。"),
            Step(HQ, "不是本人操作的：停用账号，或让他的设备全部退出，再让他换一台手机登录。"),
        ),
    )  # fmt: skip
