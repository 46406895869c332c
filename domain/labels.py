"""What every field of every event is called, in Chinese and English: said once for each name.

Most names recur, and mean the same wherever they stand.  Where one does not, the definition says so beside the field
(`event.Label`).  A field without a label stops the program at import, so none can be forgotten.
"""

from __future__ import annotations

from domain.codes import listed

FIELDS = listed(
    "fields",
    """
    absent 缺席的孩子 children absent
    absent_numbers 缺席者编号 register numbers absent
    accepted 接收 accepted
    accompanied_by 陪同人 accompanied by
    act 形式 act
    action 第几项决定 number of the decision
    activity 活动 activity
    address 住址 address
    adopted_by 采用的之家 adopted by
    adopted_on 通过日期 adopted on
    advice 意见 advice
    after 现在 after
    after_leaving 孩子离开后仍发放 to be paid though the child has left
    again 再办 to be repeated
    age 年龄 age
    agenda 议题 agenda
    agreed 约定 agreed
    all_costs 全部费用 all costs
    all_year 假期也算 holidays too
    amount_fen 金额 amount
    anonymous 匿名 anonymous
    applies_to 适用对象 applies to
    area 方面 area
    area_m2 面积 area
    assessed_on 认定日期 assessed on
    at 时间 at
    away 不在的孩子 children away
    away_numbers 不在者编号 register numbers away
    beds 床位数 beds
    before 原来 before
    best_hours 方便联系的时间 best hours
    between 签订各方 parties
    boards 住校 boards at school
    book 书名 book
    born_on 出生日期 date of birth
    budget_line 预算科目 budget line
    by 填写人 by
    by_role 填写人身份 in the role of
    capacity 可容纳人数 capacity
    card 记录卡 card
    categories 类别 categories
    celsius 室温 temperature
    certified_by 村里证明人 certified by (village)
    channel 方式 channel
    character 性格 character
    checked 检查项目 items checked
    checked_by_what 核对依据 checked by
    checks_passed_on 审查通过日期 checks passed on
    child 孩子 child
    child_ids 孩子 children
    children 孩子 children
    city 务工城市 city
    class_name 班级 class
    closed_reason 未开放原因 reason for being closed
    code 工号 code
    condition 品相 condition
    confirmed_on 核对日期 confirmed on
    confirmed_with 与谁核对 confirmed with
    consent_checked 已核对同意 consent checked
    content 内容 content
    copies 册数 copies
    copy 馆藏 copy
    cost_fen 花费 cost
    count 份数 count
    counts 条数 counts
    danger 危险路段 dangerous stretch
    days 天数 days
    decision 决定 decision
    decisions 决定事项 decisions
    definition 口径 definition
    direction 谁联系谁 direction
    distance_m 路程 distance
    done 做了什么 what was done
    donor 捐赠人 donor
    driver 驾驶员 driver
    driver_phone 驾驶员电话 driver's phone
    due_on 期限 due on
    duty 值班人 on duty
    duty_holder 由谁做 duty of
    effect 效果 effect
    employer 单位 employer
    enabled 启用 enabled
    ended 结束 ended
    entries 条数 entries
    entrusted_by 委托人 entrusted by
    equipment 设备 equipment
    escalated_to 上报给 passed on to
    escort 护送 escort
    ethnicity 民族 ethnicity
    every 多久一次 how often
    evidence_file 证明材料 evidence
    expected_return_on 预计返乡日期 expected return
    failed 不合格项数 items failed
    fault 故障 fault
    feedback 反馈意见 feedback
    field 项目 field
    figures 数字 figures
    file 附件 file
    findings 结论 findings
    follow_up 后续安排 follow-up
    follow_up_on 下次谈心日期 follow-up on
    for_person 替谁 stands in for
    form_file 签字件 signed form
    found 所见情况 what was found
    found_on 发现日期 found on
    from_on 起始日期 from
    from_time 开始时间 from
    fulfilled_by 怎样算完成 fulfilled by
    fund 资金来源 fund
    gifts 礼物 gifts
    gist 内容 gist
    given_by 同意人 given by
    goal 目标 goal
    goals 目标 goals
    grace_days 宽限天数 days of grace
    grade 年级 grade
    ground 依据 ground
    group 小组 group
    guardian 监护人 guardian
    guardian_health 监护人身体状况 guardian's health
    guardian_told_at 告知监护人时间 guardian told at
    guests 来宾人数 guests
    head_count 到场人数 head count
    health 身体状况 state of health
    health_level 健康程度 health, degree
    health_note 身体状况说明 note on health
    helper 帮扶人工号 helper's code
    helper_employer 帮扶人单位 helper's employer
    helper_name 帮扶人 helper
    helper_phone 帮扶人电话 helper's phone
    hobbies 爱好 hobbies
    holidays 假日 holidays
    home 之家 home
    home_place 分布情况 where the child lives and learns
    hours 时长 hours
    how 方式 how
    in_writing 书面 in writing
    indicator 指标 indicator
    inspector 检查人 inspector
    instalment 第几期 instalment
    instalments 期数 instalments
    item 项目 item
    items 各项工作 items
    joined_on 到岗日期 joined on
    keeper 负责人 keeper
    kind 类型 kind
    kinds 身份类别 kinds
    kinship 与孩子的关系 kinship
    late_days 逾期天数 days late
    leader 负责人 leader
    lessons 经验教训 lessons
    level 级别 level
    life 生活 life
    life_level 生活程度 life, degree
    line 科目 budget line
    link 链接 link
    living 居住条件 living conditions
    mark 分类号 class mark
    marks 得分 marks
    marks_tenths 成绩 marks
    material 资料名称 material
    matter 事由 matter
    measures 措施 measures
    members 成员 members
    met 见到的人 who was met
    met_whom 见到谁 who was met
    method 方法 method
    minutes 时长 length
    mode 方式 mode
    mood 心情 mood
    name 姓名 name
    national_id 身份证号 identity number
    need 需求 need
    needs 需要 needs
    next 下一步 next
    note 备注 note
    number 编号 register number
    occasion 缘由 occasion
    occupation 职业 occupation
    office 办公室 office
    ok 合格 in order
    on 日期 date
    onset 发病时间 onset
    open_items 未完成事项 open items
    opened_on 开办日期 opened on
    organisation 所属单位 organisation
    organisation_kind 单位类别 kind of organisation
    organisers 组织者 organisers
    other 另一份档案 other file
    others 其他人数 others
    out_on 借出日期 lent on
    outcome 结果 outcome
    outlet 媒体 outlet
    overloaded 超载 overloaded
    owner 责任人 owner
    pages 页数 pages
    pairing 结对编号 pairing
    parent 哪位家长 which parent
    parents 父母 parents
    part_time 兼职 part time
    party 联系对象 party
    passed_by 乡镇转报人 passed on by (township)
    payee 收款人 payee
    per_unit 每份经费来源 funding per unit
    performer_names 表演者姓名 performers' names
    performers 表演者 performers
    period 时期 period
    person 人员 person
    persons 人数 people
    phone 电话 phone
    photo 照片 photograph
    photo_ids 照片 photographs
    place 地点 place
    places_kept 留给孩子的名额 places kept for the children
    plate 车牌号 number plate
    positions 算到的记录 computed up to
    posted 已张贴 posted
    present 到场的孩子 children present
    present_names 到场者姓名 names of those present
    present_numbers 到场者编号 register numbers present
    priority 重点帮扶 priority
    problems 问题 problems
    programme 项目 programme
    proven_at 试行的之家 proven at
    psychology 心理 psychology
    psychology_level 心理程度 psychology, degree
    purpose 用途 purpose
    purpose_bound 专款专用 purpose-bound
    quantity 数量 quantity
    rank 等次 rank
    reached 联系上了 reached
    reason 原因 reason
    received_at 受理时间 received at
    receiver 接收方 receiver
    recipient 受助人 recipient
    recipient_kind 受助人类别 kind of recipient
    reference 文号 reference
    registered_on 登记日期 registered on
    remarks 说明 remarks
    replaces 替代 replaces
    request 申请 request
    result 结果 result
    review_every 多久检查一次 reviewed every
    review_on 复核日期 review on
    riders 乘车人数 riders
    risk 风险 risk
    role 职务 role
    rooms 房间数 rooms
    round 批次 round
    route 线路 route
    rule 要求编号 rule
    safety 安全 safety
    safety_level 安全程度 safety, degree
    same 是同一个孩子 the same child
    satisfied 是否满意 satisfied
    saw 看过的记录 entries seen
    schedule 发放日期 schedule
    school 学校 school
    scope 范围 scope
    scores 得分 scores
    seats 座位数 seats
    service 服务内容 service
    severity 严重程度 severity
    sex 性别 sex
    share_fen 每份金额 share
    shift 班次 shift
    sign_fitted 已挂牌 sign fitted
    signed_by 签报人 signed by
    signed_on 签订日期 signed on
    since 从何时起 since
    skills 特长 skills
    source 来源 source
    speaker 主讲人 speaker
    stage 第几阶段 stage
    stage_effect 阶段效果 effect so far
    stage_goals 阶段目标 stage goals
    stages 阶段 stages
    standard 标准 standard
    state 状态 state
    step 办理方式 step
    streams 卷数 streams
    study 学习 study
    study_level 学习程度 study, degree
    subject 科目 subject
    subjects 档案 subjects
    summary 内容摘要 summary
    surveyed_on 调查日期 surveyed on
    symptoms 症状 symptoms
    talked_by 谈心人 talked by
    target 所指记录 entry
    term 学期 term
    text 内容 text
    theme 主题 theme
    times 时间安排 times
    title 标题 title
    to 对象 to
    to_home 转往 to the home
    to_on 截止日期 to
    to_time 结束时间 to
    todo 待办事项 to do
    told_by 谁告知的 told by
    topic 主题 topic
    topics 话题 topics
    township 乡镇（街道） township
    trade 行业 trade
    trainer 授课人 trainer
    training 培训 training
    treated_at 就诊地点 treated at
    tutor 辅导人 tutor
    unchanged 无变化 unchanged
    unit_cost_fen 每份实际成本 real cost of a unit
    unmet_reason 未见到的原因 reason for nobody being met
    until_on 延期至 extended to
    urgent 紧急 urgent
    valid_from 生效日期 valid from
    valid_to 有效期至 valid to
    value 内容 value
    value_fen 价值 value
    vehicle 车辆 vehicle
    verified_by 验收人 verified by
    village 村（居） village
    visited_on 家访日期 visited on
    voucher 凭证号 voucher
    was 原内容 former value
    weather 天气 weather
    weekday 星期 weekday
    weekdays 活动日 weekdays
    what 隐患内容 what
    who 人员 who
    why 原因类别 why
    winner 获得者 winner
    wishes 愿望 wishes
    with_name 联系人 with
    with_party 与谁谈 with
    with_whom 与谁 with whom
    withdrawn 撤回同意 consent withdrawn
    working 能用 working
    workplace 务工单位 workplace
    year 年度 year
    """,
).labels
"""The Chinese and English name of each field."""

UNITS = {
    "_fen": "元",
    "_m": "米",
    "_m2": "平方米",
    "_days": "天",
    "minutes": "分钟",
    "hours": "小时",
    "celsius": "℃",
    "age": "岁",
    "pages": "页",
}
"""The unit that follows a number in a sentence, by the end of the field's name; fen are shown as yuan."""


def unit_of(field: str) -> str:
    """The unit of a field's numbers, or ""."""
    return next((unit for end, unit in UNITS.items() if field.endswith(end)), "")
