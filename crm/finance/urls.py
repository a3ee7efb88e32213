"""Routes of finance."""

from django.urls import URLPattern, URLResolver, path

from . import acts, pages, refund_pages, takings_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("hq/finance/", pages.days, name="finance"),
    path("hq/finance/days/<slug:day>/", pages.day, name="finance-day"),
    path("hq/finance/days/<slug:day>/count/", acts.count, name="finance-count"),
    path("hq/finance/days/<slug:day>/close/", acts.close, name="finance-close"),
    path("hq/finance/breaks/", pages.breaks, name="finance-breaks"),
    path("hq/finance/breaks/<int:pk>/", pages.one_break, name="finance-break"),
    path("hq/finance/breaks/<int:pk>/take/", acts.take, name="finance-take"),
    path("hq/finance/breaks/<int:pk>/answer/", acts.answer, name="finance-answer"),
    path("hq/finance/payments/", pages.payments, name="finance-payments"),
    path("hq/finance/refunds/", pages.refunds, name="finance-refunds"),
    path("hq/finance/refunds/<int:pk>/again/", acts.refund_again, name="finance-refund-again"),
    path("hq/finance/refunds/<int:pk>/", refund_pages.refund, name="finance-refund"),
    path("hq/finance/refunds/<int:pk>/end/", refund_pages.end, name="finance-refund-end"),
    path("hq/finance/refunds/<int:pk>/pay/", refund_pages.pay, name="finance-refund-pay"),
    path("hq/finance/takings/", takings_pages.takings, name="finance-takings"),
    path("hq/finance/notices/<int:pk>/again/", acts.notice_again, name="finance-notice-again"),
]
