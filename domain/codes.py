"""Code lists: the words that a form offers, each with a Chinese and an English label.

A closed list takes its own codes only.  An open list also keeps what somebody typed beside it, unchanged: relatives,
channels and weather come in more kinds than any list foresees, and refusing them would lose the fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """One list of codes; `labels` maps a code to its Chinese and English label."""

    name: str
    labels: Mapping[str, tuple[str, str]]
    open: bool = False
    by_text: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code, (zh, en) in self.labels.items():
            for text in (en, zh, code):
                self.by_text[text] = code

    def code(self, text: str) -> str | None:
        """The code that a code or a label stands for; what is not listed stays as typed in an open list, else None."""
        return self.by_text.get(text, text if self.open and text else None)

    def label(self, code: str) -> str:
        """The Chinese label, or the code itself where the list does not know it."""
        return self.labels[code][0] if code in self.labels else code

    def expected(self) -> str:
        """The list in words, for a refusal."""
        return "/".join(f"{zh}({code})" for code, (zh, _) in self.labels.items())


def listed(name: str, block: str, *, is_open: bool = False) -> Codes:
    """Read a list written one code a line: code, Chinese label, English label."""
    labels: dict[str, tuple[str, str]] = {}
    for line in block.strip().splitlines():
        code, zh, en = line.split(maxsplit=2)
        labels[code] = (zh, en)
    return Codes(name, labels, is_open)


SEX = listed("sex", "male 男 boy\nfemale 女 girl")

KINSHIP = listed(
    "kinship",
    """
    father 父亲 father
    mother 母亲 mother
    paternal_grandfather 爷爷 grandfather (father's side)
    paternal_grandmother 奶奶 grandmother (father's side)
    maternal_grandfather 外公 grandfather (mother's side)
    maternal_grandmother 外婆 grandmother (mother's side)
    elder_uncle 伯父 father's elder brother
    elder_uncles_wife 伯母 wife of father's elder brother
    younger_uncle 叔叔 father's younger brother
    paternal_aunt 姑姑 father's sister
    maternal_uncle 舅舅 mother's brother
    maternal_aunt 姨妈 mother's sister
    brother 哥哥 elder brother
    sister 姐姐 elder sister
    """,
    is_open=True,
)

CATEGORY = listed(
    "category",
    """
    left_behind 留守儿童 left-behind child
    semi_left_behind 准留守儿童 semi-left-behind child
    migrant 流动儿童 migrant child
    in_difficulty 困境儿童 child in difficulty
    priority 重点帮扶对象 priority child
    none 不属于 none of these
    """,
)

CONTACT_KIND = listed("contact_kind", "call 通话 call\nletter 书信 letter\nvideo 视频 video call\nvisit 探望 visit")

CHANNEL = listed(
    "channel",
    """
    family_phone 亲情电话 family phone of the home
    wechat_video 微信视频 video call
    mobile 手机 mobile phone
    phone 电话 telephone
    at_school 到校 at school
    wechat 微信 instant message
    school_booklet 家校本 home-school booklet
    post 邮寄 by post
    """,
    is_open=True,
)

PARTY = listed("party", "parent 父母 parent\nguardian 监护人 guardian\nclass_teacher 班主任 class teacher")

LIVING = listed(
    "living",
    """
    good 良好 good
    fair 一般 fair
    poor 较差 poor
    dangerous 危房待修 dangerous house
    """,
    is_open=True,
)

HEALTH = listed("health", "good 健康 good\nfair 一般 fair\npoor 较差 poor\ndisabled 失能 disabled", is_open=True)

WEATHER = listed(
    "weather",
    """
    clear 晴 clear
    overcast 阴 overcast
    cloudy 多云 cloudy
    light_rain 小雨 light rain
    heavy_rain 大雨 heavy rain
    fog 雾 fog
    frost 霜 frost
    light_snow 小雪 light snow
    strong_wind 大风 strong wind
    sultry 闷热 sultry
    """,
    is_open=True,
)

RANK = listed(
    "rank",
    """
    excellent 优 excellent
    good 良 good
    middling 中 middling
    watch 需关注 needs attention
    """,
    is_open=True,
)

CONDITION = listed(
    "condition",
    """
    intact 完好 intact
    torn 破页 torn pages
    cover_off 封面脱落 cover came off
    lost 遗失 lost
    """,
    is_open=True,
)

LOAN_OUTCOME = listed("loan_outcome", "returned 归还 returned\nlost 遗失 lost\ndamaged 损坏 damaged")

WORKER_KIND = listed(
    "worker_kind",
    """
    keeper 管理员 keeper of the home
    caring_mother 代理妈妈 caring mother
    life_teacher 生活老师 life teacher
    volunteer 志愿者 volunteer
    counsellor 辅导员 counsellor
    child_director 儿童主任 child director
    head 负责人 head of the home
    teacher 教师 teacher
    cadre 干部 cadre
    women_cadre 妇工 cadre of the women's federation
    social_worker 社工 social worker
    elder 五老人员 one of the five elders
    college 大学生志愿者 college volunteer
    village_graduate 大学生村官 village graduate
    duty 值班人员 duty staff
    parent 家长 parent
    """,
    is_open=True,
)

HOME_KIND = listed(
    "home_kind",
    """
    home 留守儿童之家 home for left-behind children
    station 留守儿童工作站 station
    psychology_station 心理援助站 psychology station
    class 留守儿童班 class
    """,
)

PAIRING_KIND = listed(
    "pairing_kind",
    """
    teacher 教师 teacher
    caring_mother 爱心妈妈 caring mother
    cadre 结对干部 paired cadre
    mentor 导师 mentor
    college 大学生 college volunteer
    volunteer 志愿者 volunteer
    study_helper 学习帮手 study helper
    family 家庭 family
    donor 捐助人 donor
    """,
)

PLAN_KIND = listed("plan_kind", "care 关爱 care\nstudy 学习 study")

ACTIVITY_KIND = listed(
    "activity_kind",
    """
    interest_group 兴趣小组 interest group
    birthday 生日聚会 birthday party
    gala 联欢会 gala
    outing 社会实践 outing
    lecture 宣讲 talk or lecture
    contest 比赛 contest
    sport 文体活动 sport and culture
    holiday 假期活动 holiday programme
    exchange 经验交流 exchange of experience
    meeting 主题班会 themed class meeting
    other 其他 other
    """,
)

OPENING_KIND = listed("opening_kind", "room 活动室开放 open room\nevening_study 晚自习 evening study")

INSPECTION_KIND = listed(
    "inspection_kind",
    """
    dormitory 寝室检查 dormitory check
    equipment 安全检查 safety and equipment
    canteen 食堂检查 canteen
    hygiene 卫生检查 hygiene
    supervision 督导 supervision visit
    internet_cafe 网吧检查 internet café
    minder 托管检查 child minder
    """,
)

LEAVING_REASON = listed(
    "leaving_reason",
    """
    parents_back 父母返乡 parents came back
    moved 搬迁 moved away
    of_age 年满十六周岁 of age
    graduated 毕业 graduated
    duplicate 重复登记 registered twice
    other 其他 other
    """,
    is_open=True,
)

CONFIRMED_WITH = listed("confirmed_with", "child 儿童 child\nparent 父母 parent\nguardian 监护人 guardian")

CARD_FIELD = listed(
    "card_field",
    """
    address 家庭住址 home address
    home_phone 家庭电话 home phone
    father_name 父亲姓名 father's name
    father_phone 父亲电话 father's phone
    mother_name 母亲姓名 mother's name
    mother_phone 母亲电话 mother's phone
    guardian_phone 监护人电话 guardian's phone
    guardian_address 监护人住址 guardian's address
    """,
)

DETAIL_FIELD = listed(
    "detail_field",
    """
    name 姓名 name
    sex 性别 sex
    born_on 出生日期 date of birth
    number 编号 register number
    ethnicity 民族 ethnicity
    national_id 身份证号 identity number
    school 学校 school
    grade 年级 grade
    class_name 班级 class
    boards 住校 boards at school
    character 性格 character
    hobbies 爱好 hobbies
    township 乡镇（街道） township
    village 村（居） village
    """,
)

HOME_FIELD = listed(
    "home_field",
    """
    name 名称 name
    phone 电话 phone
    rooms 房间数 rooms
    capacity 床位 beds
    area_m2 面积 area in square metres
    keeper 负责人 keeper
    kind 类别 kind
    township 乡镇（街道） township
    village 村（居） village
    sign_fitted 已挂牌 sign fitted
    equipment 设备 equipment
    hours 开放时间 opening hours
    """,
)
