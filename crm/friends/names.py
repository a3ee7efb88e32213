"""What a name in WeChat may be taken for. A nickname may look like a name: nobody is addressed by a surname read from one."""

SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方"
    "石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文肖樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕"
    "聂丛焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮"
    "桂闵解强柴华车冉房边"
)
COMPOUND = frozenset(
    ["欧阳", "司马", "上官", "诸葛", "司徒", "东方", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐", "宇文", "长孙"]
)


def may_be_real(name: str) -> bool:
    """Tell whether it reads like a whole name: a common surname, one or two characters more, nothing else."""
    if not all("一" <= character <= "鿿" for character in name):
        return False
    return name[:2] in COMPOUND and len(name) in (3, 4) or name[:1] in SURNAMES and len(name) in (2, 3)


def called_by(name: str, nickname: str) -> str:
    """Return the form of address to keep for a new member; empty where 姓 + 先生 / 女士 is right.

    What is his nickname still, or no whole name, is said as it is.
    """
    name = " ".join(name.split())
    is_hers = may_be_real(name) and name != nickname
    return "" if is_hers and name[:2] not in COMPOUND else name[:16]
