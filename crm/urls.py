"""Routes of the department: gathers those of its rooms."""

from django.urls import URLPattern, URLResolver, include, path

from crm.nextbest import panels as next_best  # noqa: F401  hangs the room's panels
from crm.orders import panels  # noqa: F401  hangs the room's panels
from crm.orders.api import OrderFeed
from crm.quality import pages as quality

app_name = "crm"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("crm.members.urls")),
    path("", include("crm.friends.urls")),
    path("", include("crm.corptags.urls")),
    path("", include("crm.tags.urls")),
    path("", include("crm.privacy.urls")),
    path("", include("crm.aftersale.urls")),
    path("", include("crm.visits.urls")),
    path("", include("crm.surveys.urls")),
    path("", include("crm.tailoring.urls")),
    path("", include("crm.portal.urls")),
    path("", include("crm.benefits.urls")),
    path("", include("crm.wallet.urls")),
    path("", include("crm.catalogue.outfits.urls")),
    path("", include("crm.catalogue.stocktake.urls")),
    path("", include("crm.orders.proxy.urls")),
    path("", include("crm.catalogue.urls")),
    path("", include("crm.orders.checkout.urls")),
    path("", include("crm.finance.urls")),
    path("hq/quality/", quality.overview, name="quality"),
    path("hq/quality/<slug:key>/", quality.findings, name="quality-check"),
    path("api/v1/feed/orders", OrderFeed.as_view(), name="feed-orders"),
]
