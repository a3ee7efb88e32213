"""7 天穿搭 for the mini-program: what to wear this week from what he owns, another look or piece, and buying what is missing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crm.catalogue.outfits import services, words
from crm.catalogue.outfits.models import LookShare
from crm.catalogue.outfits.queries import DayLook, MemberWeek, Piece, swaps_for
from crm.catalogue.outfits.services.buying import NothingToBuy
from crm.catalogue.outfits.services.choosing import DoesNotFit
from yejibao.core import clock, desk
from yejibao.core.errors import Conflict, NotFound

from . import looks
from .calls import MemberView, call
from .looks import YOU, NoGuide, NoStore, NothingChosen, PieceGone

DAY, SHARE = "2026-11-21", "82d5a645-cbd7-4e76-9bc2-73f6bcc45f98"  # of examples
SHOWN, INSTEAD = "25WKZ906-NV", "25WKZ906-BR"
A_PIECE = {
    "sku_code": SHOWN, "name": "加绒加厚休闲裤", "color": "藏青", "category": "裤装", "size": "33", "kind": "new",
    "words": "本店 33 有 3 条", "price_fen": 45800, "may_be_bought": True, "shown": SHOWN,
}  # fmt: skip
A_LOOK = {
    "day": DAY, "weekday": "周六", "name": "出门·工装羽绒", "reasons": ["米色短羽绒亮一点，冬天不沉闷"], "is_changed": False, "price_fen": 290400,
    "missing_fen": 290400, "owned_count": 0, "pieces": [A_PIECE],
}  # fmt: skip
A_WEEK = {
    "why": "按冬天排的「稳健商务一周」，-2～10℃ 穿着正好",
    "is_personal": True,
    "days": [A_LOOK],
    "from_guide": None,
}


class MemberPieceOut(serializers.Serializer[Any]):
    sku_code = serializers.CharField(source="style.sku_code", help_text="款色编码，购买和换单件用它")
    name = serializers.CharField(source="style.name")
    color = serializers.CharField(source="style.color")
    category = serializers.CharField(source="style.category_l1")
    size = serializers.CharField(help_text="您的码；空：还不知道")
    kind = serializers.ChoiceField(
        choices=["owned", "new", "swapped", "out"],
        help_text="owned 您已有；new 要添；swapped 断码换成它；out 断码没有替的",
    )
    words = serializers.SerializerMethodField(help_text="件下面那一行字")
    price_fen = serializers.IntegerField()
    may_be_bought = serializers.BooleanField()
    shown = serializers.CharField(source="shown.sku_code", help_text="这一格原来配的是哪件，换单件时带回来")

    def get_words(self, piece: Piece) -> str:
        return words.piece_words(piece, who=YOU, today=clock.today())


class MemberLookOut(serializers.Serializer[Any]):
    day = serializers.DateField()
    weekday = serializers.CharField()
    name = serializers.SerializerMethodField(help_text="搭配的名字；空：这天还没有配")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="为什么这样配")
    is_changed = serializers.BooleanField(source="is_chosen", help_text="您换过；可以还原")
    price_fen = serializers.IntegerField(help_text="整套")
    missing_fen = serializers.IntegerField(help_text="您还需添的")
    owned_count = serializers.IntegerField()
    pieces = MemberPieceOut(many=True)

    def get_name(self, look: DayLook) -> str:
        return look.outfit.name if look.outfit else ""


class MemberShareOut(serializers.Serializer[Any]):
    guide = serializers.CharField(source="guide.display_name")
    words = serializers.CharField()
    day = serializers.DateField(allow_null=True, help_text="她发的是哪一天；空：整周")
    is_liked = serializers.SerializerMethodField()

    def get_is_liked(self, share: LookShare) -> bool:
        return share.liked_at is not None


class MemberWeekOut(serializers.Serializer[Any]):
    why = serializers.CharField(allow_blank=True, help_text="这一周为什么这样排")
    is_personal = serializers.BooleanField(help_text="false：关了个性化推荐，没有用购买记录")
    days = MemberLookOut(many=True)
    from_guide = MemberShareOut(allow_null=True, help_text="带了 share 才有：导购发来时写的话")


class MemberSwapsOut(serializers.Serializer[Any]):
    results = MemberPieceOut(many=True, help_text="自己有的在前，再按价格接近排")


class MemberChangeDayIn(serializers.Serializer[Any]):
    way = serializers.ChoiceField(
        choices=["outfit", "piece", "back"], help_text="outfit 换一套；piece 换单件；back 还原"
    )
    shown = serializers.CharField(max_length=32, required=False, help_text="换单件：那一格的 shown")
    instead = serializers.CharField(max_length=32, required=False, help_text="换单件：换成哪个 sku_code，来自 swaps/")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["way"] == "piece" and not (attrs.get("shown") and attrs.get("instead")):
            raise serializers.ValidationError({"instead": "选一件要换的"})
        return attrs


class MemberBuyLookIn(serializers.Serializer[Any]):
    only = serializers.ListField(
        child=serializers.CharField(max_length=32), max_length=12, help_text="要买的几件的 sku_code"
    )


class MemberCartOut(serializers.Serializer[Any]):
    sale = serializers.UUIDField(help_text="生成的一单，接着用 sales/ 看价、付款")
    left = serializers.ListField(child=serializers.CharField(), help_text="没放进去的，和为什么")


class MemberSaidOut(serializers.Serializer[Any]):
    said = serializers.CharField(help_text="给会员看的一句话")


PIECE = OpenApiParameter(
    "shown", str, required=True, description="那一格的 shown", examples=[OpenApiExample("一件", value=SHOWN)]
)
FROM = OpenApiParameter("share", str, description="导购发来的链接里的 s；她会知道您看了")


class WeekView(MemberView):
    def look(self, day: str) -> tuple[MemberWeek, DayLook]:
        """Return his week and one day of it. Raises NotFound for what is no day, or none of these."""
        week = looks.own_week(self.member, now=clock.now())
        asked = desk.day(day)
        look = week.look(asked) if asked else None
        if look is None:
            raise NotFound()
        return week, look

    def share(self, public_id: str) -> LookShare | None:
        try:
            asked = UUID(public_id[:36])
        except ValueError:
            return None
        return LookShare.objects.select_related("guide").filter(member=self.member, public_id=asked).first()


class Week(WeekView):
    @call(
        "member_outfits", "我的 7 天穿搭", gives=MemberWeekOut, query=[FROM], answer=A_WEEK,
        says="从今天起七天，每天一套，先用会员家里有的。同一天里多次读结果一样，除非买了、换了或断码了。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        member, now = self.member, clock.now()
        share = self.share(request.query_params.get("share", ""))
        if share is not None:
            services.note_opened(member, share.public_id, now=now)
        week = looks.own_week(member, now=now)
        told = {
            "why": words.why_week(week, who=YOU),
            "is_personal": week.is_personal,
            "days": week.looks,
            "from_guide": share,
        }
        return Response(MemberWeekOut(told).data)


class Swaps(WeekView):
    @call("member_outfit_swaps", "这一格可以换成哪些", gives=MemberSwapsOut, ids={"day": DAY}, query=[PIECE],
          answer={"results": [A_PIECE]})  # fmt: skip
    def get(self, request: Request, day: str) -> Response:
        week, look = self.look(day)
        found = swaps_for(week, look.day, request.query_params.get("shown", "")[:32])
        return Response(MemberSwapsOut({"results": found}).data)


class ChangeDay(WeekView):
    limit = "look"

    @call(
        "member_outfit_change", "换一套、换单件、还原", takes=MemberChangeDayIn, gives=MemberLookOut, ids={"day": DAY},
        asks={"换一套": {"way": "outfit"}, "换单件": {"way": "piece", "shown": SHOWN, "instead": INSTEAD}, "还原": {"way": "back"}},
        answer=A_LOOK, refuses=[Conflict, DoesNotFit],
    )  # fmt: skip
    def post(self, request: Request, day: str) -> Response:
        (week, look), said, actor, now = self.look(day), self.given(MemberChangeDayIn), self.actor, clock.now()

        def work() -> dict[str, Any]:
            match said["way"]:
                case "outfit":
                    services.choose_outfit(week, look.day, actor=actor, now=now)
                case "piece":
                    services.choose_piece(
                        week, look.day, shown=said["shown"], instead=said["instead"], actor=actor, now=now
                    )
                case _:
                    services.take_back(self.member, look.day, actor=actor, now=now)
            return {}

        self.once(said, work)
        return Response(MemberLookOut(self.look(day)[1]).data)


class LikeLook(WeekView):
    limit = "look"

    @call("member_outfit_like", "喜欢导购发来的这套", gives=MemberShareOut, ids={"public_id": SHARE},
          answer={"guide": "晓雯", "words": "这套给您配好了", "day": DAY, "is_liked": True})  # fmt: skip
    def post(self, request: Request, public_id: UUID) -> Response:
        share = self.share(str(public_id))
        if share is None:
            raise NotFound()

        def work() -> dict[str, Any]:
            looks.like_share(share, self.member, now=clock.now())
            return {}

        self.once({}, work)
        share.refresh_from_db(fields=["liked_at"])
        return Response(MemberShareOut(share).data)


class AskLook(WeekView):
    limit = "look"

    @call("member_outfit_ask", "请导购备货", gives=MemberSaidOut, ids={"day": DAY}, answer={"said": "告诉晓雯了"},
          refuses=[NoGuide])  # fmt: skip
    def post(self, request: Request, day: str) -> Response:
        _week, look = self.look(day)

        def work() -> dict[str, Any]:
            return {"said": looks.ask_guide(look, self.member, actor=self.actor, now=clock.now())}

        return Response(MemberSaidOut(self.once({"day": day}, work)).data)


class BuyLook(WeekView):
    limit = "money"

    @call(
        "member_outfit_buy", "买这几件", takes=MemberBuyLookIn, gives=MemberCartOut, status=201, ids={"day": DAY},
        asks={"买一件": {"only": [SHOWN]}}, answer={"sale": "93e6b756-dce8-4f87-8cd3-8407cdd56ea9", "left": []},
        refuses=[NothingChosen, NothingToBuy, NoStore, PieceGone],
        says="按会员的码放进一单，断码的在 left 里说清楚、带替换建议。付款前每一件都替他留着（默认 30 分钟，到点放回）；没付完再调同样几件是同一单。之后看价、选券、付款都用 sales/。",
    )  # fmt: skip
    def post(self, request: Request, day: str) -> Response:
        (_week, look), said = self.look(day), self.given(MemberBuyLookIn)

        def work() -> dict[str, Any]:
            sale, left = looks.buy_pieces(look, self.member, only=said["only"], actor=self.actor, now=clock.now())
            return {"sale": str(sale.public_id), "left": left}

        return Response(MemberCartOut(self.once(said, work)).data, status=201)


ROUTES = [
    path("api/v1/member/outfits/", Week.as_view(), name="member-outfits"),
    path("api/v1/member/outfits/shares/<uuid:public_id>/like/", LikeLook.as_view(), name="member-outfit-like"),
    path("api/v1/member/outfits/<str:day>/swaps/", Swaps.as_view(), name="member-outfit-swaps"),
    path("api/v1/member/outfits/<str:day>/change/", ChangeDay.as_view(), name="member-outfit-change"),
    path("api/v1/member/outfits/<str:day>/ask/", AskLook.as_view(), name="member-outfit-ask"),
    path("api/v1/member/outfits/<str:day>/buy/", BuyLook.as_view(), name="member-outfit-buy"),
]
