"""上线体检: the doctor's report as a page. Looking takes seconds, so the shell comes first and the report follows."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, nav
from yejibao.wecom.doctor import Patient, State, examine

ROLES = ("sys_admin",)


@never_cache
@require_GET
@access.roles(*ROLES)
def page(request: HttpRequest) -> HttpResponse:
    """The shell, which asks for the report."""
    return render(request, "cockpit/doctor.html", {"nav_current": "doctor"})


@never_cache
@require_GET
@access.roles(*ROLES)
def report(request: HttpRequest) -> HttpResponse:
    """The report itself: what is wrong first, then what a person has to look at."""
    rank = {State.WRONG: 0, State.ASK: 1, State.SKIPPED: 2, State.OK: 3}
    findings = sorted(examine(Patient(clock.now())), key=lambda one: rank[one.state])
    counts = {state.value: sum(one.state is state for one in findings) for state in State}
    return render(request, "cockpit/part_doctor.html", {"findings": findings, "counts": counts, "at": clock.now()})


nav.add(
    "hq", key="doctor", label="上线体检", icon="shield-check", url="cockpit:doctor", order=88, group="系统", roles=ROLES
)
