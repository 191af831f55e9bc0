"""What the service can answer by rule. The texts are data (`data/answers.json`); this module selects them."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

import msgspec

from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Product

_PRICE: Final = re.compile(r"多少钱|什么价|啥价|价格(?:是|多少)|卖多少|售价|几块钱")
_POINTS: Final = re.compile(r"(?:什么|哪些|啥)(?:卖点|优点|亮点)|卖点(?:是什么|有哪些|是啥)")
_STYLE: Final = re.compile(r"风格|说话.{0,4}(?:样|特点|习惯)|口头禅|口吻")
_STYLE_QUESTION: Final = re.compile(r"什么|啥|怎样|怎么样|哪|吗|？|\?")


class _Entry(msgspec.Struct, frozen=True):
    """`any` are regular expressions of which one must be found; the entry with the most matches answers."""

    id: str
    any: tuple[str, ...]
    answer: str


class _Texts(msgspec.Struct, frozen=True):
    entries: tuple[_Entry, ...]
    banned_words: _Entry
    banned_by_category: dict[str, str]
    decline: tuple[_Entry, ...]
    off_topic: str
    unknown: str


class AnswerBook(msgspec.Struct, frozen=True):
    """The packaged answers, selected by pattern."""

    texts: _Texts

    @classmethod
    def packaged(cls) -> AnswerBook:
        raw = resources.files("scriptgen.skills").joinpath("data/answers.json").read_bytes()
        return cls(msgspec.json.decode(raw, type=_Texts))

    def answer(self, question: str, category: str = "") -> str:
        """The answer to a known question, "" when none fits."""
        if _score(self.texts.banned_words, question):
            named = next((name for name in self.texts.banned_by_category if name in question), category)
            special = self.texts.banned_by_category.get(named, "")
            return f"{self.texts.banned_words.answer}{special}"
        best = max(self.texts.entries, key=lambda entry: _score(entry, question))
        return best.answer if _score(best, question) else ""

    def decline(self, query: str) -> str:
        """A polite word on what is not the service's business."""
        for entry in self.texts.decline:
            if _score(entry, query):
                return entry.answer
        return self.texts.off_topic

    def unknown(self, category: str) -> str:
        subject = f"{category}话术" if category else "话术"
        return self.texts.unknown.replace("{subject}", subject)


def answer_from_product(question: str, product: Product) -> str:
    """What the product's own facts say to the question, "" when they say nothing."""
    name = product.name or "这款"
    if product.price and _PRICE.search(question):
        return f"资料里{name}的价格是{product.price}，报价就按这个说，活动价以链接里显示的为准。"
    if product.selling_points and _POINTS.search(question):
        return f"{name}资料里的卖点有：{'、'.join(product.selling_points)}。一段话术里挑两三个讲透就够了。"
    for fact, value in product.facts.items():
        if fact and fact in question:
            return f"资料里写的是：{name}的{fact}是{value}。"
    return ""


def answer_from_profile(question: str, profile: StyleProfile) -> str:
    """How the influencer speaks, as far as anything was learned; "" when the question is another."""
    if not profile.influencer_name or profile.confidence <= 0:
        return ""
    if not (_STYLE.search(question) and _STYLE_QUESTION.search(question)):
        return ""
    if profile.influencer_name not in question and not re.search(r"[她他]|主播|达人", question):
        return ""
    habits = [profile.tone] if profile.tone else []
    habits.append(
        "用词讲究" if profile.formality > 0.6 else "说大白话" if profile.formality < 0.4 else "口语里带点讲究"
    )
    habits.append("一句十来个字" if profile.avg_sentence_length < 16 else "句子偏长、娓娓道来")
    if profile.interaction > 0.5:
        habits.append("爱跟观众一问一答")
    if profile.humor > 0.5:
        habits.append("时不时逗个乐")
    text = f"{profile.influencer_name}的风格是：{'，'.join(habits)}。"
    if profile.catchphrases:
        text += f"口头禅有“{'”“'.join(profile.catchphrases[:3])}”，写的时候带一两处就很像了。"
    return text


def _score(entry: _Entry, text: str) -> int:
    return sum(re.search(pattern, text, re.IGNORECASE) is not None for pattern in entry.any)
