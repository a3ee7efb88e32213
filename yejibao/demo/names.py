"""Invented people: believable Chinese names, by number, the same on every machine."""

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
GIVEN = [
    "建平",
    "志强",
    "海涛",
    "伟民",
    "启明",
    "建军",
    "磊",
    "文杰",
    "国庆",
    "晓东",
    "俊杰",
    "永刚",
    "立新",
    "少华",
    "振华",
    "家豪",
    "明远",
    "子轩",
    "宏伟",
    "景行",
    "思远",
    "德胜",
    "广平",
    "天宇",
    "一鸣",
    "成林",
    "世杰",
    "卫东",
    "春生",
    "金龙",
    "耀辉",
    "浩然",
    "泽宇",
    "嘉诚",
    "书恒",
    "润泽",
    "鹏飞",
    "正阳",
    "剑锋",
    "松涛",
    "学文",
    "新民",
    "晨光",
    "长青",
    "凯",
    "波",
    "涛",
    "勇",
    "斌",
    "峰",
    "亮",
    "刚",
    "军",
    "辉",
    "超",
    "鑫",
    "旭",
    "勤",
    "毅",
    "锐",
    "朗",
    "威",
    "宁",
    "昊",
    "康",
    "锋",
    "健",
    "诚",
    "帆",
    "博文",
    "立群",
    "向阳",
    "宗翰",
    "庭轩",
    "承志",
    "安邦",
    "怀瑾",
    "守正",
    "逸飞",
    "云帆",
    "敬之",
    "致远",
    "克勤",
    "兴华",
    "树人",
    "仲谋",
    "君豪",
]
WOMEN = ["婷", "静", "敏", "雅琴", "慧", "丽华", "欣怡", "佳宁", "晓燕", "玉兰", "美玲", "雪梅"]
GIFT_FROM = 17  # every so manieth member is a woman who buys for her family


def full_name(number: int) -> tuple[str, str]:
    """Return (name, gender) of the n-th invented member."""
    surname = SURNAMES[(number * 37 + number // 7) % len(SURNAMES)]
    if number % GIFT_FROM == 0:
        return surname + WOMEN[number // GIFT_FROM % len(WOMEN)], "f"
    return surname + GIVEN[(number * 53 + number // 11) % len(GIVEN)], "m"


def salutation(name: str, gender: str, number: int) -> str:
    """Return the form of address a guide chose; empty for most: 姓 + 先生 / 女士 then."""
    if gender == "f":
        return name[:1] + "姐" if number % 3 == 0 else ""
    return {0: name[:1] + "哥", 1: name[:1] + "总"}.get(number % 5, "")


def phone(number: int) -> str:
    """Return an invented mobile number of a valid range."""
    return f"{('138', '139', '136', '158', '186', '187')[number % 6]}{(number * 7919 + 12345678) % 100_000_000:08d}"
