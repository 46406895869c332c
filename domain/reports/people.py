"""R13: volunteers and workers, where they come from, what they gave, what they learnt."""

from __future__ import annotations

from collections.abc import Iterator

from domain.codes import WORKER_KIND
from domain.codes_child import ROLE
from domain.codes_county import ORGANISATION_KIND, SERVICE_FOR
from domain.codes_place import LEVEL
from domain.reporting import HOME, TIMES, Asked, By, Figure, Label, Read, Rows, amounts, counted, report, share

PEOPLE = Label("人", "people")
HOURS = Label("小时", "hours")


@report("R13", "志愿者与工作人员", "volunteers and workers")
def people(read: Read, asked: Asked) -> Iterator[Figure]:
    """Who had joined by the date; hours and training of the period."""
    columns = "subject home code name kind joined_on organisation organisation_kind part_time checks_passed_on"
    workers, day = read("worker", columns), asked.as_of.isoformat()
    joined = workers.at("joined_on")
    workers = workers.having(lambda row: row[joined] is None or row[joined] <= day)
    kind = By("kind", "kind", WORKER_KIND)
    of_kind = By("organisation_kind", "organisation_kind", ORGANISATION_KIND)
    yield counted(
        "workers",
        Label("工作人员与志愿者", "workers and volunteers"),
        Label("截至日期已登记的人员", "people registered by the date"),
        PEOPLE,
        workers,
        kind,
        of_kind,
        "organisation",
        HOME,
    )
    yield share(
        "part_time",
        Label("兼职比例", "part time"),
        Label("登记为兼职的比例；名单为非兼职的", "registered as part time; listed are those who are not"),
        workers.where(part_time=1),
        workers,
        kind,
        HOME,
    )
    yield share(
        "checked",
        Label("审查通过", "checks passed"),
        Label(
            "有审查通过日期的比例；名单为没有的", "with a date on which checks were passed; listed are those without"
        ),
        workers.filled("checks_passed_on"),
        workers,
        kind,
        HOME,
    )
    yield from _given(read, asked)
    yield _posts(read, day)
    yield _groups(read, day)


def _given(read: Read, asked: Asked) -> Iterator[Figure]:
    """Hours and training of the period."""
    served = read("service_hours_recorded", "subject home on hours service").within("on", asked.period)
    yield amounts(
        "hours",
        Label("服务时间", "hours of service"),
        Label("期间内登记的服务小时数之和", "hours of service within the period, added up"),
        HOURS,
        served,
        "hours",
        By("service", "service", SERVICE_FOR),
        HOME,
    )
    yield counted(
        "trainings",
        Label("培训", "trainings"),
        Label("期间内举办的培训", "trainings held within the period"),
        TIMES,
        read("training_held", "subject home title on hours trainer persons").within("on", asked.period),
        "title",
        HOME,
    )
    yield counted(
        "trained",
        Label("参训人次", "people trained"),
        Label("期间内参加培训的人次", "people who attended a training within the period"),
        PEOPLE,
        read("training_attended", "subject home training result on").within("on", asked.period),
        HOME,
    )


def _groups(read: Read, day: str) -> Figure:
    """A group that was set up anew, with other members, is one group."""
    groups = read("group_set", "subject home name level members from_on")
    began = groups.at("from_on")
    standing = {row[0]: row for row in sorted(groups, key=lambda row: row[began]) if row[began] <= day}
    return counted(
        "groups",
        Label("小组与服务队", "groups and teams"),
        Label("截至日期已成立的小组、服务队，按级别", "groups and teams set up by the date, by level"),
        Label("个", "groups"),
        Rows(groups.columns, list(standing.values())),
        By("level", "level", LEVEL),
        HOME,
    )


def _posts(read: Read, day: str) -> Figure:
    roles = read("role_assigned", "subject home role at from_on")
    began = roles.at("from_on")
    return counted(
        "posts",
        Label("任职", "posts"),
        Label("截至日期开始的任职（含已结束的）", "posts that began by the date, those that ended included"),
        Label("个", "posts"),
        roles.having(lambda row: row[began] <= day),
        By("role", "role", ROLE),
        HOME,
    )
