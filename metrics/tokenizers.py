"""How texts fall into tokens for overlap metrics: Chinese words, characters, or words. No model's tokenizer."""

from __future__ import annotations

import functools
import logging
import re
import unicodedata
import warnings
from collections.abc import Callable

from pipeline.errors import MissingPackageError, TaskError

Tokenize = Callable[[str], list[str]]

_ASCII_WORD = re.compile(r"[A-Za-z0-9_]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
# Scripts without spaces that jieba does not segment: kana (Japanese), Thai, Lao, Myanmar, Khmer.
_UNSPACED = re.compile("[\u3040-\u30ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


def find_tokenizer(name: str) -> Tokenize:
    """The tokenizer called `name`. Raises TaskError for an unknown one, MissingPackageError without jieba."""
    check_tokenizer(name)
    return TOKENIZERS[name]()


def check_tokenizer(name: str) -> None:
    """Raises TaskError where no tokenizer is called `name`; loads none."""
    if name not in TOKENIZERS:
        raise TaskError(f"no tokenizer is called {name!r}", fix=f"Known tokenizers: {', '.join(TOKENIZERS)}, auto")


def suitable_tokenizer(text: str) -> str:
    """The name of the tokenizer for the script of `text`: jieba for Chinese, characters for Japanese, else words."""
    if text.isascii():
        return "words"
    if _UNSPACED.search(text):
        return "characters"
    return "jieba" if _HAN.search(text) else "words"


def characters(text: str) -> list[str]:
    """Every character but white space."""
    return [character for character in text if not character.isspace()]


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores of any script, with their combining marks, case folded."""
    folded = text.casefold()
    return _ASCII_WORD.findall(folded) if folded.isascii() else _unicode_word().findall(folded)


@functools.cache
def _unicode_word() -> re.Pattern[str]:
    # \w leaves out combining marks, which would cut Hindi words, and decomposed accents, into pieces.
    marks = "".join(chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M")
    return re.compile(f"[\\w{marks}]+")


@functools.cache
def _jieba() -> Tokenize:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in its source
            import jieba
    except ImportError as error:
        raise MissingPackageError("jieba", "the tokenizer jieba") from error
    jieba.setLogLevel(logging.ERROR)  # it reports the loading of its dictionary

    def cut(text: str) -> list[str]:
        """Words, and white space as tokens of its own."""
        return list(jieba.cut(text))

    return cut


TOKENIZERS: dict[str, Callable[[], Tokenize]] = {
    "jieba": _jieba,
    "characters": lambda: characters,
    "words": lambda: words,
}
