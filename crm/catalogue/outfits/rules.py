"""What makes a look right, and a week of looks: the rules of outfits.yaml as pure functions that say in a sentence what is wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_COLOURS = 3  # of clothes; black, white and grey are none
MOST_DAYS = 3  # a week, of the same piece
GROWTH_POINTS = 20  # for a proposal that is adopted
NEUTRAL = frozenset({"黑", "白", "灰"})
CLOTHES = ("outer", "mid", "inner", "bottom")
ROLES = (*CLOTHES, "shoes", "accessory")  # from outside in, as a look is listed
ROLE_NAMES = {"outer": "外套", "mid": "中层", "inner": "内搭", "bottom": "下装", "shoes": "鞋", "accessory": "配饰"}
SUIT, SUITS, LEATHER_SHOES, BELT = "套西", "西服", "皮鞋", "腰带"
# How light a colour family looks, for 上深下浅. White goes with all, patterned cloth has no place in it.
LIGHTNESS = {"黑": 0, "藏青": 1, "酒红": 2, "绿": 2, "棕": 2, "灰": 3, "蓝": 3, "卡其": 4, "米": 5}
TOP_HEAVY = 3  # steps by which the upper half may be lighter before it is mentioned
DAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


@dataclass(frozen=True)
class Garment:
    """A style-colour as far as outfits care."""

    id: int
    sku_code: str
    style_no: str
    name: str
    category_l1: str
    category_l2: str
    color: str
    color_family: str
    role: str
    season: str
    size_range: str
    price_fen: int

    @property
    def must_rest(self) -> bool:
        """Tell whether it may not be worn two days running: wool suits and leather shoes (羊毛与皮鞋要歇)."""
        return self.category_l1 == SUITS or self.category_l2 == LEATHER_SHOES

    @property
    def said(self) -> str:
        return f"{self.name} {self.color}"


@dataclass(frozen=True)
class Fault:
    """One rule that is broken. What does not block is advice: a stylist may know better."""

    code: str
    text: str
    blocks: bool = True


def faults_of(pieces: Sequence[Garment]) -> list[Fault]:
    """Return what is wrong with one look, the worst first."""
    return [*_composition(pieces), *_colours(pieces), *_leather(pieces), *_light_over_dark(pieces)]


def blocking(faults: Iterable[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.blocks]


def _composition(pieces: Sequence[Garment]) -> Iterable[Fault]:
    """At least outer or inner, bottom, shoes; a suit covers outer and bottom; accessories as one likes."""
    count = Counter(piece.role for piece in pieces)
    suits = [piece for piece in pieces if piece.category_l2 == SUIT]
    if not count["outer"] and not count["inner"]:
        yield Fault("no_top", "还缺上身：外套或内搭至少要有一件")
    if not count["bottom"] and not suits:
        yield Fault("no_bottom", "还缺下装：加一条裤子，或者换成套西（套西自带裤子）")
    if not count["shoes"]:
        yield Fault("no_shoes", "还缺一双鞋")
    if count["shoes"] > 1:
        yield Fault("two_shoes", f"有 {count['shoes']} 双鞋，留一双")
    if count["bottom"] > 1:
        yield Fault("two_bottoms", f"有 {count['bottom']} 条裤子，留一条")
    if suits and count["bottom"]:
        yield Fault("suit_and_bottom", f"{suits[0].said}自带裤子，另外那条裤子去掉")
    for code, times in Counter(piece.sku_code for piece in pieces).items():
        if times > 1:
            yield Fault("twice", f"{next(one.said for one in pieces if one.sku_code == code)}放了 {times} 次")


def _colours(pieces: Sequence[Garment]) -> Iterable[Fault]:
    worn = [piece.color_family for piece in pieces if piece.role in CLOTHES and piece.color_family not in NEUTRAL]
    colours = list(dict.fromkeys(worn))
    if len(colours) > MOST_COLOURS:
        yield Fault(
            "colours", f"衣裤有 {len(colours)} 个主色（{'、'.join(colours)}），最多 {MOST_COLOURS} 个；黑、白、灰不算"
        )


def _leather(pieces: Sequence[Garment]) -> Iterable[Fault]:
    belt = next((piece for piece in pieces if piece.category_l2 == BELT), None)
    shoes = next((piece for piece in pieces if piece.category_l2 == LEATHER_SHOES), None)
    if belt and shoes and belt.color_family != shoes.color_family:
        yield Fault("belt", f"腰带是{belt.color}，皮鞋是{shoes.color}：皮带要和皮鞋同色")


def _light_over_dark(pieces: Sequence[Garment]) -> Iterable[Fault]:
    top = next((piece for role in ("outer", "mid", "inner") for piece in pieces if piece.role == role), None)
    bottom = next((piece for piece in pieces if piece.role == "bottom"), None)
    if top is None or bottom is None:
        return
    light, dark = LIGHTNESS.get(top.color_family), LIGHTNESS.get(bottom.color_family)
    if light is not None and dark is not None and light - dark >= TOP_HEAVY:
        yield Fault(
            "top_heavy", f"上面{top.color}、下面{bottom.color}，上浅下深；一般上深下浅，确定要这样再发", blocks=False
        )


# ---------------------------------------------------------------- seven days


def week_faults(
    week: Sequence[Sequence[Garment]], *, names: Sequence[str] = DAYS, is_round: bool = True
) -> list[Fault]:
    """Return what is wrong with looks worn day after day. `is_round`: the last day is followed by the first again."""
    days: dict[str, list[int]] = defaultdict(list)
    known: dict[str, Garment] = {}
    for day, look in enumerate(week):
        for piece in look:
            days[piece.sku_code].append(day)
            known[piece.sku_code] = piece
    found = []
    for code, worn in days.items():
        piece = known[code]
        if len(worn) > MOST_DAYS:
            said = "、".join(names[day] for day in worn)
            found.append(
                Fault("too_often", f"{piece.said}一周用了 {len(worn)} 天（{said}），同一件最多 {MOST_DAYS} 天")
            )
        if piece.must_rest and (pair := _running(worn, len(week), is_round=is_round)):
            what = "皮鞋" if piece.category_l2 == LEATHER_SHOES else "西服"
            found.append(Fault("no_rest", f"{piece.said}{names[pair[0]]}、{names[pair[1]]}连着穿，{what}要歇一天"))
    return found


def fits(piece: Garment, day: int, week: Sequence[Sequence[Garment]], *, is_round: bool = False) -> bool:
    """Tell whether a piece may be worn on a day, beside what the other days of the week hold (that day itself is not asked)."""
    worn = [
        place for place, look in enumerate(week) if place != day and any(one.sku_code == piece.sku_code for one in look)
    ]
    if len(worn) >= MOST_DAYS:
        return False
    return not piece.must_rest or _running(sorted([*worn, day]), len(week), is_round=is_round) is None


def _running(worn: Sequence[int], length: int, *, is_round: bool) -> tuple[int, int] | None:
    """Return two days running on which something is worn, if there are any."""
    for first, second in zip(worn, worn[1:], strict=False):
        if second - first == 1:
            return first, second
    if is_round and length > 1 and len(worn) > 1 and worn[0] == 0 and worn[-1] == length - 1:
        return worn[-1], worn[0]
    return None
