"""Routes of the till."""

from django.urls import URLPattern, path

from .pages import paying, promotions, returning, till

urlpatterns: list[URLPattern] = [
    path("g/till/", till.till, name="till"),
    path("g/till/new/", till.begin, name="till-new"),
    path("g/till/returns/", returning.find, name="till-returns"),
    path("g/till/returns/<str:ticket>/", returning.take_back, name="till-return"),
    path("g/till/refunds/<int:pk>/", returning.refund, name="till-refund"),
    path("g/till/<uuid:public_id>/", till.sale, name="till-sale"),
    path("g/till/<uuid:public_id>/lines/", till.lines, name="till-lines"),
    path("g/till/<uuid:public_id>/member/", till.member, name="till-member"),
    path("g/till/<uuid:public_id>/choice/", till.choice, name="till-choice"),
    path("g/till/<uuid:public_id>/drop/", till.drop, name="till-drop"),
    path("g/till/<uuid:public_id>/pay/", paying.pay, name="till-pay"),
    path("g/till/<uuid:public_id>/wait/", paying.wait, name="till-wait"),
    path("g/till/<uuid:public_id>/qr/", paying.qr, name="till-qr"),
    path("g/till/<uuid:public_id>/code/", paying.code, name="till-code"),
    path("g/till/<uuid:public_id>/state/", paying.state, name="till-state"),
    path("g/till/<uuid:public_id>/again/", paying.again, name="till-again"),
    path("g/till/<uuid:public_id>/give-up/", paying.give_up, name="till-give-up"),
    path("g/till/<uuid:public_id>/receipt/", paying.receipt, name="till-receipt"),
    path("hq/promotions/", promotions.promotions, name="hq-promotions"),
    path("hq/promotions/<int:pk>/end/", promotions.end, name="hq-promotion-end"),
    path("r/<uuid:public_id>/", paying.public_receipt, name="receipt"),
    path("r/<uuid:public_id>/picture/", paying.receipt_picture, name="receipt-picture"),
]
