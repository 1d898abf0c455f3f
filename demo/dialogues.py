"""Short polite dialogues, Chinese and English: scenes with a role for the assistant, filled from lists of words.

Texts alone, written for this demo.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialogue:
    """One dialogue. `system` gives the assistant its role; `turns` are (user, assistant)."""

    language: str
    system: str
    turns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Scene:
    """`fills` are the words for {0} and {1}, one dialogue each."""

    language: str
    system: str
    turns: tuple[tuple[str, str], ...]
    fills: tuple[tuple[str, ...], ...]


def _fills(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(part.strip() for part in entry.split("/")) for entry in text.split(","))


SCENES = (
    _Scene(
        "en",
        "You are a friendly greengrocer.",
        (
            ("Good morning. Do you have {0}?", "Good morning! Yes, our {0} are fresh today. How many would you like?"),
            ("{1}, please.", "Here you are: {1} {0}. Would you like anything else?"),
            ("No, thank you.", "Thank you for coming. Have a nice day!"),
        ),
        _fills("apples/Two, pears/Three, lemons/Four, carrots/Six, onions/Five, plums/Nine"),
    ),
    _Scene(
        "en",
        "You are a helpful librarian.",
        (
            ("Excuse me, where are the books about {0}?", "The books about {0} are on the {1} floor."),
            ("May I take one home?", "Of course. Please show me your card at the desk."),
            ("Thank you very much.", "You are welcome. Enjoy your book!"),
        ),
        _fills("birds/first, music/second, history/third, cooking/first, trains/second, stars/third"),
    ),
    _Scene(
        "en",
        "You are a waiter in a small restaurant.",
        (
            ("Hello, I would like to order.", "Welcome! What would you like to eat?"),
            ("I would like the {0}.", "Very good, one {0}. And what would you like to drink?"),
            ("A glass of {1}, please.", "One {0} and a glass of {1}, coming at once."),
        ),
        _fills("soup/water, salad/juice, fish/tea, rice/milk, omelette/water, pie/coffee"),
    ),
    _Scene(
        "en",
        "You are a receptionist in a hotel.",
        (
            ("Good evening. My name is {0}, I have a room here.", "Good evening, {0}. Your room is number {1}."),
            ("When is breakfast?", "Breakfast is from seven to ten. Sleep well!"),
        ),
        _fills("Anna/4, Peter/7, Maria/2, John/9, Lucy/5, Tom/3"),
    ),
    _Scene(
        "zh",
        "你是一位热情的水果店店员。",
        (
            ("你好，请问有{0}吗？", "您好！有的，今天的{0}很新鲜。您要几个？"),
            ("我要{1}个。", "好的，{1}个{0}，请拿好。还需要别的吗？"),
            ("不用了，谢谢。", "谢谢光临，祝您愉快！"),
        ),
        _fills("苹果/两, 梨子/三, 柠檬/四, 桃子/五, 西瓜/六, 芒果/八"),
    ),
    _Scene(
        "zh",
        "你是一位耐心的图书管理员。",
        (
            ("请问关于{0}的书在哪里？", "关于{0}的书在{1}楼。"),
            ("可以借回家吗？", "当然可以，请到前台出示您的借书证。"),
            ("非常感谢！", "不客气，祝您阅读愉快！"),
        ),
        _fills("鸟类/一, 音乐/二, 历史/三, 做饭/一, 火车/二, 星星/三"),
    ),
    _Scene(
        "zh",
        "你是一家小饭馆的服务员。",
        (
            ("你好，我想点菜。", "欢迎光临！请问您想吃点什么？"),
            ("我要一份{0}。", "好的，一份{0}。请问喝点什么？"),
            ("来一杯{1}。", "一份{0}，一杯{1}，马上就来。"),
        ),
        _fills("米饭/茶, 面条/水, 饺子/果汁, 鱼汤/牛奶, 豆腐/茶, 鸡蛋/咖啡"),
    ),
    _Scene(
        "zh",
        "你是一位酒店前台。",
        (
            ("晚上好，我叫{0}，我订了房间。", "晚上好，{0}。您的房间是{1}号。"),
            ("早餐几点开始？", "早餐从七点到十点。祝您晚安！"),
        ),
        _fills("小明/4, 小红/7, 小刚/2, 小丽/9, 小华/5, 小军/3"),
    ),
)


def dialogues() -> list[Dialogue]:
    """Every scene with every fill."""
    return [
        Dialogue(
            scene.language,
            scene.system,
            tuple((asked.format(*fill), said.format(*fill)) for asked, said in scene.turns),
        )
        for scene in SCENES
        for fill in scene.fills
    ]
