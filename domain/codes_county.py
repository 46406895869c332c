"""Code lists about money, people, projects and government: aid, donations, workers, meetings, reports, notices."""

from __future__ import annotations

from domain.codes import listed

AID_KIND = listed(
    "aid_kind",
    """
    allowance 生活补助 allowance
    study_grant 助学金 study grant
    sponsored 结对资助 sponsored child
    prize 奖学金 prize
    medical 医疗救助 medical aid
    relief 临时救助 relief
    all_costs 全部学费 all school costs
    """,
    is_open=True,
)

AID_DECISION = listed("aid_decision", "granted 同意 granted\nrefused 不同意 refused\nwaiting 候补 waiting")
RECIPIENT = listed(
    "recipient",
    "child 留守儿童 child\ngraduate 升学学生 graduate\nmother 困难母亲 mother\nfamily 困难家庭 family",
    is_open=True,
)
PAID_HOW = listed(
    "paid_how",
    "bank 银行转账 bank\ncash 现金 cash\ngoods 实物 goods\nschool 交学校代发 through the school",
    is_open=True,
)

STOPPED = listed(
    "stopped",
    """
    left 儿童离开 the child left
    graduated 毕业 graduated
    withdrawn 申请人放弃 withdrawn
    no_need 不再困难 no longer needed
    fund_ended 资金终止 the fund ended
    """,
    is_open=True,
)

DONATION_KIND = listed("donation_kind", "money 款 money\ngoods 物 goods")
ROLE_ENDED = listed(
    "role_ended", "moved 调离 moved\nretired 退休 retired\nterm_ended 期满 term ended\nleft 离职 left", is_open=True
)

SKILL = listed(
    "skill",
    """
    counselling 心理咨询 counselling
    first_aid 急救 first aid
    law 法律 law
    teaching 教学 teaching
    music 音乐 music
    sport 体育 sport
    calligraphy 书法 calligraphy
    computers 电脑 computers
    """,
    is_open=True,
)

ORGANISATION_KIND = listed(
    "organisation_kind",
    """
    local 本地 local
    university 高校 university
    office 机关单位 office
    school 学校 school
    social 社会组织 social organisation
    company 企业 company
    """,
    is_open=True,
)

SERVICE_FOR = listed(
    "service_for",
    "activity 活动 activity\ntutoring 辅导 tutoring\nvisit 走访 visit\nduty 值班 duty\ntraining 培训 training",
    is_open=True,
)
TRAINING_RESULT = listed(
    "training_result", "passed 合格 passed\nattended 参加 attended\nfailed 不合格 failed\nabsent 缺席 absent"
)

MEETING_KIND = listed(
    "meeting_kind",
    """
    discussion 座谈会 discussion with children and guardians
    parents 家长会 parents' meeting
    parents_school 家长学校 parents' school
    committee 家委会 parents' committee
    term_start 学期初会议 meeting at the start of term
    joint 联席会议 joint meeting
    feedback 反馈会 feedback meeting
    special 专题会 special meeting
    exchange 经验交流会 exchange of experience
    """,
    is_open=True,
)

FOLLOW_UP = listed("follow_up", "continue 继续实施 continue\ncopy 推广复制 copy elsewhere\nstop 终止 stop")
EVALUATION_KIND = listed(
    "evaluation_kind",
    "needs 前期评估 needs\nhalf_year 半年评估 half-year\nyearly 年度评估 yearly\nfinal 终期评估 final",
)

NOTICE_KIND = listed(
    "notice_kind",
    "notice 通知 notice\nmeasure 措施 measure\nplan 方案 plan\nrule 制度 rule\ninformation 信息 information",
    is_open=True,
)

REPORT_KIND = listed(
    "report_kind",
    "month 月报 monthly\nterm 学期总结 term\nhalf_year 半年报 half-yearly\nyear 年报 yearly\ncheck 检查记录 check",
)

MEDIA_LEVEL = listed("media_level", "central 中央 central\nprovince 省级 province\ncity 市级 city\ncounty 县级 county")

PERIOD = listed(
    "period",
    """
    day 每天 day
    week 每周 week
    two_weeks 每两周 two weeks
    month 每月 month
    half_term 每半学期 half-term
    term 每学期 term
    half_year 每半年 half-year
    year 每年 year
    once 一次 once
    always 随时 at all times
    """,
    is_open=True,
)

VIEW_WHY = listed(
    "view_why",
    "care 关爱服务 care\nsupervision 督导 supervision\naudit 审计 audit\ncase 个案 case\naid 资助 aid",
    is_open=True,
)
EXPORT_TO = listed(
    "export_to",
    """
    national_system 全国儿童信息系统 national system
    county_platform 县级平台 county platform
    funder 资助方 funder
    auditor 审计 auditor
    """,
    is_open=True,
)
