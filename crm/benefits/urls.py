"""Routes of the room."""

from django.urls import URLPattern, URLResolver, path

from . import hq_pages, pages, panels, sidebar_pages  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/coupons/", pages.my_shares, name="my-shares"),
    path("g/members/<uuid:public_id>/benefits/", pages.member_benefits, name="member-benefits"),
    path("g/sidebar/coupons/give/", sidebar_pages.give, name="coupon-give"),
    path("hq/coupons/", hq_pages.batches, name="coupon-batches"),
    path("hq/coupons/templates/", hq_pages.templates, name="coupon-templates"),
    path("hq/coupons/templates/new/", hq_pages.new_template, name="coupon-template-new"),
    path("hq/coupons/templates/<int:pk>/batch/", hq_pages.new_batch, name="coupon-batch-new"),
    path("hq/coupons/batches/<int:pk>/", hq_pages.batch, name="coupon-batch"),
    path("hq/coupons/batches/<int:pk>/stop/", hq_pages.stop, name="coupon-batch-stop"),
    path("hq/coupons/batches/<int:pk>/share/", hq_pages.share, name="coupon-batch-share"),
    path("hq/coupons/batches/<int:pk>/issue/", hq_pages.issue, name="coupon-batch-issue"),
    path("hq/points/", pages.rule_book, name="points-rules"),
]
