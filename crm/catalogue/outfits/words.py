"""What is said of a look, a piece and a week: rule and facts, to the member (您) and to his guide (他)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from yejibao.core.words import yuan

from .filling import Owned
from .rules import LEATHER_SHOES, ROLE_NAMES, ROLES, Garment
from .wardrobe import group_names

if TYPE_CHECKING:
    from .models import Outfit
    from .queries import DayLook, MemberWeek, Piece
    from .together import Shown

YOU, HE = "您", "他"
SEASON_WORDS = {"春": "春天", "夏": "夏天", "秋": "秋天", "冬": "冬天"}
NAMED = 2  # things of his that a look names
ICONS = {"商务": "users", "通勤": "building-2", "休闲": "smile", "宴会": "star", "差旅": "map", "户外": "wind"}


def month_of(day: date, today: date) -> str:
    """3 月, or 2025 年 3 月 where it was another year."""
    return f"{day.month} 月" if day.year == today.year else f"{day.year} 年 {day.month} 月"


def reasons_of(
    day: date, outfit: Outfit, pieces: Sequence[Piece], *, owned: Sequence[Owned], who: str = YOU
) -> list[str]:
    """Return why this look on this day: the stylist's reason, his own things in it, what rests, what was swapped."""
    told = [outfit.reason]
    mine = [piece for piece in pieces if piece.owned and piece.bought_on]
    for piece in mine[:NAMED]:
        assert piece.bought_on is not None
        told.append(f"用上{who} {month_of(piece.bought_on, day)}买的{piece.style.color}{piece.style.category_l2}")
    for piece in pieces:
        if piece.owned or not piece.shown.must_rest:
            continue
        alike = (piece.shown.category_l2, piece.shown.color_family)
        if any((one.garment.category_l2, one.garment.color_family) == alike for one in owned):
            what = "皮鞋" if piece.shown.category_l2 == LEATHER_SHOES else "西服"
            told.append(f"{who}那件{piece.shown.color_family}{piece.shown.category_l2}前后一天穿着，{what}要歇一天")
            break
    return told


def piece_words(piece: Piece, *, who: str, store_name: str = "", today: date | None = None) -> str:
    """Return the line under a piece: when he bought it, where it hangs in his size, or why something else stands there."""
    if piece.owned:
        return f"{_day(piece.bought_on, today)}买的" if piece.bought_on else f"{who}已有"
    where = hangs_words(piece)
    if piece.kind == "out":
        if not piece.size:
            return "这个品类还没有货"
        return f"{piece.size} 断码，本店、附近店和总仓都没有"
    if not piece.size:
        return f"还不知道{who}的码，先问一句"
    if piece.swap_of and not piece.is_chosen:
        return f"{piece.shown.said} {piece.size} 断码，换成同色、价格最近的；{where}"
    return where


def hangs_words(piece: Piece) -> str:
    """本店 180/96A 有 3 件, 本店断码，观前店有 1 件, 总仓有 5 件 1-2 天到."""
    size = f" {piece.size}" if piece.size and piece.size not in ("F", "均码") else ""
    unit = {"鞋": "双", "裤装": "条"}.get(piece.style.category_l1, "条" if piece.style.category_l1 == "配饰" else "件")
    if piece.hanging.own:
        return f"本店{size + ' ' if size else ''}有 {piece.hanging.own} {unit}"
    if piece.hanging.near:
        return f"本店没有{size}，{piece.hanging.near_name}有 {piece.hanging.near} {unit}"
    return f"本店没有{size}，总仓有 {piece.hanging.warehouse} {unit}"


def why_week(week: MemberWeek, *, who: str) -> str:
    """Return why this plan: the season, and his group where it is known."""
    if week.plan is None:
        return ""
    told = f"按{SEASON_WORDS[week.season]}排的「{week.plan.name}」，{week.plan.low_c}～{week.plan.high_c}℃ 穿着正好"
    if not week.is_personal:
        return f"{who}关了个性化推荐，这是当季人人都看得到的一周；没有用{who}的购买记录"
    name = group_names().get(week.group, "")
    if name and week.group in week.plan.groups:
        return f"{told}；{who}是{name}一类，这一周就是给这类人配的"
    return told


def about(week: MemberWeek) -> str:
    """Return the line under his name: 稳健商务 · 上衣 180/96A · 裤 32."""
    sizes = week.wardrobe.sizes
    known = [(label, sizes.get(key)) for label, key in (("上衣", "西服"), ("裤", "裤装"), ("鞋", "鞋"))]
    parts = [group_names().get(week.group, "")] + [f"{label} {one.size}" for label, one in known if one]
    return " · ".join(part for part in parts if part)


def greeting(week: MemberWeek, look: DayLook | None, *, called: str) -> str:
    """Return what the guide sends with the link, for a day or for the week. She may change every word of it."""
    if look and look.outfit:
        own = [f"{piece.style.color}{piece.style.category_l2}" for piece in look.pieces if piece.owned]
        using = f"，{own[0]}就是您家里那件" if own and week.is_personal else ""
        add = (
            f"要添的 {len(look.missing)} 件，{yuan(look.missing_fen)}，都按您的码看过货"
            if look.missing
            else "一件都不用添"
        )
        return f"{called}，{look.weekday}这套我给您配好了{using}。{look.outfit.pitch}。{add}。"
    used = f"用上您家里的 {week.owned_count} 件，" if week.owned_count and week.is_personal else ""
    return f"{called}，下面七天穿什么我给您排好了，{used}每天一套，点开看。哪套不喜欢告诉我，马上换。"


def left_words(piece: Piece, *, who: str) -> str:
    """Return why a piece did not go into the cart, with the one alternative."""
    if not piece.size:
        return f"{piece.style.said}：还不知道{who}的码"
    told = f"{piece.style.said} {piece.size} 断码"
    if piece.alternative:
        return f"{told}，可以换{piece.alternative.said} {piece.alternative_size}".rstrip()
    return told


def goes_with(piece: Garment, outfits: Sequence[Shown], *, owned: Sequence[Owned], who: str, today: date) -> str:
    """Return why a piece goes with what he takes: the outfits that show both, and what he has at home that hangs in them too."""
    first = outfits[0]
    told = f"「{first.title}」里和{'同色的' if first.is_alike else '这件'}{first.taken.category_l2}是一套"
    if len(outfits) > 1 and not outfits[1].is_alike:
        told = f"「{first.title}」等 {sum(not one.is_alike for one in outfits)} 套里都这样配"
    hung = {(one.category_l2, one.color_family) for one in first.pieces if one.id != piece.id}
    his = [one for one in owned if (one.garment.category_l2, one.garment.color_family) in hung]
    if not his:
        return told
    mine = min(his, key=lambda one: ROLES.index(one.garment.role))  # his coat before his shoes
    return f"配{who} {month_of(mine.bought_on, today)}买的{mine.garment.color}{mine.garment.category_l2}；{told}"


def role_name(role: str) -> str:
    return ROLE_NAMES.get(role, role)


def _day(day: date | None, today: date | None) -> str:
    if day is None:
        return ""
    if day == today:
        return "今天"
    return f"{day:%m-%d} " if today and day.year == today.year else f"{day:%Y-%m-%d} "
