"""Short questions with their answers, Chinese and English: tables of plain facts, and the wordings that ask for them.

Texts alone, written for this demo; who learns them and who is asked is `corpus.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAINED_WORDINGS = 3  # the first so many wordings of a kind are learnt; those behind them are only asked


@dataclass(frozen=True)
class Question:
    """One fact asked in one wording. `kind` names the table it comes from, `key` its row."""

    kind: str
    key: str
    wording: int
    text: str
    answer: str
    language: str


@dataclass(frozen=True)
class _Kind:
    """A table of facts: rows of (subject, answer word), the wordings of the question, the answer said in two ways."""

    language: str
    wordings: tuple[str, ...]
    sentence: str
    restated: str
    rows: tuple[tuple[str, str], ...]


def _rows(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (entry.split("=") for entry in text.split(", "))
    return tuple((subject.strip(), answer.strip()) for subject, answer in pairs)


KINDS = {
    "capital": _Kind(
        "en",
        (
            "What is the capital of {0}?",
            "Which city is the capital of {0}?",
            "Name the capital of {0}.",
            "Do you know the capital of {0}?",
        ),
        "The capital of {0} is {1}.",
        "{1} is the capital of {0}.",
        _rows(
            "France=Paris, Japan=Tokyo, Italy=Rome, Spain=Madrid, Egypt=Cairo, Russia=Moscow, Germany=Berlin, "
            "China=Beijing, England=London, Greece=Athens, Peru=Lima, Cuba=Havana"
        ),
    ),
    "opposite": _Kind(
        "en",
        (
            "What is the opposite of {0}?",
            "Which word means the opposite of {0}?",
            "Give the opposite of {0}.",
            "Tell me the opposite of {0}.",
        ),
        "The opposite of {0} is {1}.",
        "{1} means the opposite of {0}.",
        _rows(
            "hot=cold, big=small, fast=slow, day=night, up=down, open=closed, full=empty, early=late, young=old, "
            "heavy=light, wet=dry, loud=quiet"
        ),
    ),
    "young": _Kind(
        "en",
        ("What is a young {0} called?", "What do we call a young {0}?", "Name a young {0}.", "What is a baby {0}?"),
        "A young {0} is called a {1}.",
        "A {1} is a young {0}.",
        _rows("cat=kitten, dog=puppy, cow=calf, sheep=lamb, hen=chick, horse=foal, bear=cub, duck=duckling"),
    ),
    "colour": _Kind(
        "en",
        ("What colour is {0}?", "Which colour does {0} have?", "Name the colour of {0}.", "Tell me the colour of {0}."),
        "The colour of {0} is {1}.",
        "{1} is the colour of {0}.",
        _rows("grass=green, snow=white, the sky=blue, a lemon=yellow, blood=red, coal=black, chocolate=brown"),
    ),
    "place": _Kind(
        "en",
        ("Where can I {0}?", "Where do people {0}?", "I want to {0}. Where should I go?", "Where should one {0}?"),
        "You can {0} at the {1}.",
        "Go to the {1} to {0}.",
        _rows(
            "borrow a book=library, buy bread=bakery, see a doctor=hospital, watch a film=cinema, "
            "post a letter=post office, catch a train=station, learn to read=school, see lions=zoo"
        ),
    ),
    "next_day": _Kind(
        "en",
        ("Which day comes after {0}?", "What day follows {0}?", "Name the day after {0}.", "What comes after {0}?"),
        "The day after {0} is {1}.",
        "{1} comes after {0}.",
        _rows(
            "Monday=Tuesday, Tuesday=Wednesday, Wednesday=Thursday, Thursday=Friday, Friday=Saturday, "
            "Saturday=Sunday, Sunday=Monday"
        ),
    ),
    "首都": _Kind(
        "zh",
        ("{0}的首都是哪里？", "{0}的首都是哪座城市？", "请说出{0}的首都。", "你知道{0}的首都吗？"),
        "{0}的首都是{1}。",
        "{1}是{0}的首都。",
        _rows(
            "法国=巴黎, 日本=东京, 意大利=罗马, 西班牙=马德里, 埃及=开罗, 俄罗斯=莫斯科, 德国=柏林, 中国=北京, "
            "英国=伦敦, 希腊=雅典, 秘鲁=利马, 泰国=曼谷"
        ),
    ),
    "反义词": _Kind(
        "zh",
        ("“{0}”的反义词是什么？", "哪个词和“{0}”意思相反？", "请写出“{0}”的反义词。", "告诉我“{0}”的反义词。"),
        "“{0}”的反义词是“{1}”。",
        "“{1}”和“{0}”意思相反。",
        _rows("大=小, 高=矮, 冷=热, 快=慢, 黑=白, 长=短, 早=晚, 上=下, 开=关, 新=旧, 轻=重, 远=近"),
    ),
    "颜色": _Kind(
        "zh",
        ("{0}是什么颜色的？", "{0}是哪种颜色？", "请说出{0}的颜色。", "告诉我{0}的颜色。"),
        "{0}是{1}的。",
        "{0}的颜色是{1}。",
        _rows("草地=绿色, 雪=白色, 天空=蓝色, 柠檬=黄色, 煤炭=黑色, 苹果=红色, 茄子=紫色"),
    ),
    "地点": _Kind(
        "zh",
        ("在哪里可以{0}？", "人们去哪里{0}？", "我想{0}，应该去哪里？", "{0}要去什么地方？"),
        "您可以去{1}{0}。",
        "要{0}，请去{1}。",
        _rows(
            "借书=图书馆, 买面包=面包店, 看病=医院, 看电影=电影院, 寄信=邮局, 坐火车=火车站, 上课=学校, 看狮子=动物园"
        ),
    ),
    "食物": _Kind(
        "zh",
        ("{0}喜欢吃什么？", "{0}最爱吃什么？", "请说出{0}爱吃的东西。", "告诉我{0}吃什么。"),
        "{0}喜欢吃{1}。",
        "{1}是{0}爱吃的东西。",
        _rows("牛=青草, 猫=鱼, 熊猫=竹子, 兔子=胡萝卜, 猴子=香蕉, 狗=骨头, 蚕=桑叶, 松鼠=坚果"),
    ),
    "次日": _Kind(
        "zh",
        ("{0}的后一天是星期几？", "{0}之后是哪一天？", "过了{0}是星期几？", "{0}的第二天是哪一天？"),
        "{0}的后一天是{1}。",
        "{1}在{0}之后。",
        _rows(
            "星期一=星期二, 星期二=星期三, 星期三=星期四, 星期四=星期五, 星期五=星期六, 星期六=星期日, 星期日=星期一"
        ),
    ),
}


def questions() -> list[Question]:
    """Every fact in every wording, in the order of the tables."""
    return [
        Question(name, row[0], number, wording.format(*row), kind.sentence.format(*row), kind.language)
        for name, kind in KINDS.items()
        for row in kind.rows
        for number, wording in enumerate(kind.wordings)
    ]


def statements(one: Question, *, restated: bool = False) -> tuple[str, list[str]]:
    """The right answer to a question and the wrong ones: the same sentence with the other rows' words."""
    table = KINDS[one.kind]
    sentence = table.restated if restated else table.sentence
    right = next(answer for subject, answer in table.rows if subject == one.key)
    words = [answer for _, answer in table.rows if answer != right]
    return sentence.format(one.key, right), [sentence.format(one.key, word) for word in words]
