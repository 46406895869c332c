"""Code lists about a child: its situation, schooling, pairings, talks, plans, and the cases of the protecting team."""

from __future__ import annotations

from domain.codes import listed

SITUATION = listed("situation", "good 良好 good\nfair 一般 fair\nwatch 需关注 needs attention\npoor 较差 poor")

NEED = listed(
    "need",
    """
    study_help 学业辅导 help with study
    company 陪伴 company
    counselling 心理疏导 somebody to talk to
    living_aid 生活补助 help with living costs
    medical 就医 medical care
    safety 安全保护 safety
    parent_contact 联系父母 contact with the parents
    documents 户籍证件 papers
    """,
    is_open=True,
)

SCHOOLING = listed(
    "schooling",
    """
    enrolled 在读 enrolled
    absent 缺课 absent
    dropped_out 辍学 dropped out
    back 复学 brought back
    graduated 毕业 graduated
    """,
)

CONSENT_SCOPE = listed(
    "consent_scope",
    """
    file 建立档案 keeping a file
    photo 拍摄照片 photographs
    publish 对外宣传 publication
    counselling 心理咨询 counselling
    medical 就医 medical care
    share 部门间共享 sharing between offices
    donor 向资助人提供 telling the donor
    """,
)

TRAVEL_MODE = listed(
    "travel_mode",
    """
    walk 步行 on foot
    bicycle 自行车 bicycle
    electric_bike 电动车 electric bike
    motorcycle 摩托车 motorcycle
    school_bus 校车 school bus
    bus 公交车 bus
    hired_car 包车 hired car
    family_car 家用车 family car
    boards 住校 boards at school
    """,
    is_open=True,
)

ESCORT = listed(
    "escort",
    """
    alone 独自 alone
    pupils 与同学结伴 with other pupils
    guardian 监护人接送 by the guardian
    walking_group 路队护送 walking group
    teacher 教师护送 by a teacher
    """,
    is_open=True,
)

EFFECT = listed("effect", "clear 明显 clear\nsome 有一些 some\nnone 不明显 none\nworse 变差 worse")

PAIRING_REASON = listed(
    "pairing_reason",
    """
    term_ended 期满 the time was over
    child_left 儿童离开 the child left
    helper_left 帮扶人离开 the helper left
    replaced 更换帮扶人 another helper took over
    doubled 重复结对 paired twice
    """,
    is_open=True,
)

ROLE = listed(
    "role",
    """
    child_director 儿童主任 child director or home worker
    head 负责人 head of the home
    class_teacher 班主任 class teacher
    helping_teacher 帮扶教师 helping teacher
    caring_mother 爱心妈妈 caring mother
    volunteer 志愿者 volunteer
    cadre 结对干部 paired cadre
    counsellor 心理咨询师 counsellor
    duty 值班人员 duty staff
    township 儿童督导员 township supervisor
    county 县级工作人员 county officer
    project 项目办公室 project office
    finance 财务 finance
    auditor 审计 auditor
    operator 系统管理员 operator
    """,
)

TALK_CARD = listed("talk_card", "full 谈心记录卡 talk record card\nshort 简要记录 short note")
DIRECTION = listed("direction", "out 孩子打出 from the child\nin 家人打来 from the family")
WITH = listed(
    "with", "child 孩子 child\nparent 父母 parent\nguardian 监护人 guardian\nnobody 未遇到人 nobody", is_open=True
)

SCHOOL_SUBJECT = listed(
    "school_subject",
    """
    homework 家庭作业 homework
    chinese 语文 Chinese
    mathematics 数学 mathematics
    english 英语 English
    science 科学 science
    morality 品德 morality
    music 音乐 music
    sport 体育 sport
    art 美术 art
    """,
    is_open=True,
)

AREA = listed(
    "area",
    "study 学习 study\nbehaviour 行为 behaviour\ncharacter 性格 character\nhealth 健康 health\nlife 生活 life",
    is_open=True,
)

DIARY_BY = listed("diary_by", "teacher 教师 teacher\nmother 爱心妈妈 caring mother\nchild 孩子 child")

PLAN_REASON = listed(
    "plan_reason",
    "grades 成绩下滑 grades fell\nbehaviour 行为习惯 behaviour\ndevelopment 成长发展 development",
    is_open=True,
)

REVIEW_EVERY = listed(
    "review_every",
    "week 每周 week\ntwo_weeks 每两周 two weeks\nmonth 每月 month\nhalf_term 每半学期 half-term\nterm 每学期 term",
)

# -- cases and messages: other readers than a child's file has

CASE_KIND = listed(
    "case_kind",
    """
    rights 维权 rights
    violence 家庭暴力 violence
    abuse 侵害 abuse
    neglect 疏于照料 neglect
    counselling 心理咨询 counselling
    crisis 心理危机 crisis
    legal 法律援助 legal aid
    other 其他 other
    """,
    is_open=True,
)

CASE_CHANNEL = listed(
    "case_channel",
    """
    rights_hotline 12338热线 rights hotline
    letter 来信 letter
    visit 来访 visit
    in_person 当面反映 in person
    worker 工作人员报告 reported by a worker
    message 信箱或热线 mailbox or hotline
    """,
    is_open=True,
)

CASE_STEP = listed(
    "case_step",
    """
    call 电话 call
    visit 走访 visit
    hearing 庭审 hearing
    legal_aid 法律援助 legal aid
    mediation 调解 mediation
    police 报警 police
    examination 伤情鉴定 examination
    shelter 庇护 shelter
    extension 延期 extension
    """,
    is_open=True,
)

REFERRED_TO = listed(
    "referred_to",
    """
    police 公安 police
    civil_affairs 民政 civil affairs
    court 法院 court
    procuratorate 检察院 procuratorate
    hospital 医院 hospital
    legal_aid 法律援助中心 legal-aid centre
    education 教育局 education bureau
    womens_federation 妇联 women's federation
    counsellor 心理咨询师 counsellor
    """,
    is_open=True,
)

CASE_OUTCOME = listed(
    "case_outcome",
    """
    settled 已解决 settled
    mediated 调解成功 mediated
    referred 已移交 referred
    judged 已判决 judged
    withdrawn 当事人撤回 withdrawn
    unfounded 情况不实 unfounded
    """,
    is_open=True,
)

SATISFIED = listed("satisfied", "yes 满意 yes\npartly 基本满意 partly\nno 不满意 no\nunknown 未知 unknown")
METHOD = listed(
    "method",
    "talk 谈话 talk\nsand_tray 沙盘 sand tray\ndrawing 绘画 drawing\ngroup 团体 group\nphone 电话 phone",
    is_open=True,
)
RISK = listed("risk", "none 无 none\nlow 低 low\nmedium 中 medium\nhigh 高 high\ncrisis 危机 crisis")

MESSAGE_CHANNEL = listed(
    "message_channel",
    """
    mailbox 心灵港湾信箱 mailbox
    hotline 心理热线 hotline
    listening_room 倾诉室 listening room
    talk 谈心私密部分 private part of a talk
    diary 日记私密页 private page of a diary
    """,
    is_open=True,
)

ANSWER_HOW = listed(
    "answer_how",
    "talk 面谈 talk\nletter 回信 letter\nphone 电话 phone\ncase 转为个案 made a case\nnone 无需回复 no answer needed",
    is_open=True,
)
