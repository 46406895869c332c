"""Code lists about homes as places: hours, activities, the library, hazards, inspections, rides."""

from __future__ import annotations

from domain.codes import listed

EQUIPMENT = listed(
    "equipment",
    """
    family_phone 亲情电话 family phone
    camera 监控 camera
    fire_extinguisher 灭火器 fire extinguisher
    computer 电脑 computer
    network 网络 network
    canteen 食堂设备 canteen
    water 饮水设备 drinking water
    lights 照明 lights
    playground 活动场地 playground
    books 图书 books
    """,
    is_open=True,
)

WEEKDAY = listed(
    "weekday",
    """
    monday 周一 Monday
    tuesday 周二 Tuesday
    wednesday 周三 Wednesday
    thursday 周四 Thursday
    friday 周五 Friday
    saturday 周六 Saturday
    sunday 周日 Sunday
    """,
)

CLOSED_REASON = listed(
    "closed_reason",
    "holiday 放假 holiday\nweather 天气 weather\nno_duty 无人值班 nobody on duty\nrepair 维修 repair\nexam 考试 exam",
    is_open=True,
)

SHIFT = listed(
    "shift",
    "morning 上午 morning\nnoon 中午 noon\nafternoon 下午 afternoon\nevening 晚上 evening\nnight 夜间 night",
    is_open=True,
)

GROUP_SUBJECT = listed(
    "group_subject",
    """
    calligraphy 书法 calligraphy
    table_tennis 乒乓球 table tennis
    rope 跳绳 skipping rope
    basketball 篮球 basketball
    singing 歌唱 singing
    dance 舞蹈 dance
    painting 绘画 painting
    reading 阅读 reading
    chess 棋类 chess
    handicraft 手工 handicraft
    """,
    is_open=True,
)

RULE_KIND = listed("rule_kind", "rule 管理制度 rule\nduty 岗位职责 duty\nfee 收费公示 fee", is_open=True)
LETTER_KIND = listed(
    "letter_kind",
    "safety 安全工作 safety\nwalking_group 路队护送 walking group\nhygiene 卫生安全 hygiene",
    is_open=True,
)
LETTER_LEVEL = listed(
    "letter_level",
    """
    centre_head 中心校与校长 centre and head
    head_teacher 校长与班主任 head and class teacher
    teacher_family 班主任与家长 class teacher and family
    """,
    is_open=True,
)

THEME = listed(
    "theme",
    """
    festival 节日 festival
    law 法制教育 legal education
    safety 安全教育 safety
    tradition 革命传统 revolutionary tradition
    morality 思想道德 morality
    drugs 禁毒 drug prevention
    mind 心理健康 health of the mind
    health 卫生健康 health
    study 学习 study
    reading 阅读 reading
    sport 体育 sport
    culture 文艺 culture
    family 亲情 family
    practice 社会实践 practice
    gratitude 感恩 gratitude
    """,
    is_open=True,
)

LEVEL = listed(
    "level",
    """
    home 之家 home
    school 学校 school
    village 村（居） village
    township 乡镇（街道） township
    county 县 county
    city 市 city
    province 省 province
    nation 国家 nation
    """,
)

CANCELLED = listed(
    "cancelled",
    "weather 天气 weather\nillness 疫病 illness\nno_money 经费不足 no money\nfew_children 人数不足 too few children",
    is_open=True,
)

ATTENDED = listed(
    "attended", "attended 参加 attended\nperformed 表演 performed\nhelped 协助 helped\nabsent 缺席 absent"
)
ABSENCE = listed(
    "absence", "ill 生病 ill\nat_home 回家 at home\nleave 请假 on leave\nunknown 原因不明 unknown", is_open=True
)
BOOK_FROM = listed("book_from", "bought 购买 bought\ndonated 捐赠 donated\nallocated 配发 allocated", is_open=True)

HAZARD_KIND = listed(
    "hazard_kind",
    """
    fire 消防 fire
    electricity 用电 electricity
    building 房屋 building
    food 食品 food
    water 防溺水 water
    traffic 交通 traffic
    gate 校门 gate
    hygiene 卫生 hygiene
    equipment 设施 equipment
    minder 托管 child minder
    """,
    is_open=True,
)

SEVERITY = listed("severity", "severe 重大 severe\nserious 较大 serious\nordinary 一般 ordinary")

HONOUR = listed(
    "honour",
    """
    model_home 示范留守儿童之家 model home
    standardised_home 标准化留守儿童之家 standardised home
    red_flag 流动红旗 red flag
    advanced 先进集体 advanced group
    """,
    is_open=True,
)
