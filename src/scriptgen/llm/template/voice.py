"""How a chosen sentence is said: 您 for formal voices, sentence-final particles, exclamation marks.

Changes wording only at the edges; what is said was decided before.
"""

from __future__ import annotations

import re
from random import Random
from typing import Final

import msgspec

from scriptgen.domain.profile import StyleProfile

_EXCLAIM: Final = {
    "激情": 0.8,
    "活泼": 0.65,
    "高端": 0.0,
    "专业": 0.0,
    "温柔": 0.0,
    "幽默": 0.25,
    "亲和": 0.15,
}
_PARTICLES: Final = {"活泼": "哦", "亲和": "哈", "口语": "哈", "温柔": "哦", "幽默": "哈", "": "哦"}
_PARTICLE_SHARE: Final = {"温柔": 0.35, "活泼": 0.35, "口语": 0.35, "亲和": 0.3, "高端": 0.0, "专业": 0.0}
_IMPERATIVE: Final = frozenset({"cta", "interact", "hook", "tail", "follow", "account", "service"})
_LOUD: Final = frozenset(
    {"greet", "stay_open", "promo_open", "push_open", "cta", "hook", "price", "farewell", "reason"}
)
_ALREADY_SOFT = re.compile(r"[啦吧吗呢了的字哦呀啊哈嘛呗数步]。$")


class Voice(msgspec.Struct, frozen=True):
    """The delivery of one script, from its styles and the influencer's profile."""

    style: str
    polite: bool
    exclamation: float  # wanted share of sentences that end in ！
    particles: float  # chance that an inviting sentence gets a particle

    def address_viewer(self, text: str) -> str:
        """你 becomes 您 in polite voices (你们 becomes 各位: 您们 is not said)."""
        if not self.polite:
            return text
        return text.replace("你们", "各位").replace("你", "您")

    def soften(self, text: str, element: str, rng: Random) -> str:
        """Perhaps a sentence-final particle on an invitation."""
        if element not in _IMPERATIVE or not text.endswith("。") or _ALREADY_SOFT.search(text):
            return text
        if rng.random() >= self.particles:
            return text
        return f"{text[:-1]}{_PARTICLES.get(self.style, '哦')}。"

    def punctuate(self, sentences: list[tuple[str, str]]) -> list[str]:
        """(element, text) pairs with 。 and ！ moved towards the wanted share."""
        texts = [text for _, text in sentences]
        wanted = round(self.exclamation * len(texts))
        loud = sum(text.endswith("！") for text in texts)
        for index, (element, text) in enumerate(sentences):
            if loud >= wanted:
                break
            if element in _LOUD and text.endswith("。"):
                texts[index] = f"{text[:-1]}！"
                loud += 1
        for index in range(len(texts) - 1, -1, -1):
            if loud <= wanted + (1 if self.exclamation > 0.1 else 0):
                break
            if texts[index].endswith("！"):
                texts[index] = f"{texts[index][:-1]}。"
                loud -= 1
        if self.exclamation == 0.0:
            texts = [text.replace("！", "。") for text in texts]
        return texts


def voice_of(styles: tuple[str, ...], profile: StyleProfile) -> Voice:
    style = styles[0] if styles else ""
    return Voice(
        style=style,
        polite="高端" in styles,
        exclamation=_EXCLAIM.get(style, profile.exclamation),
        particles=_PARTICLE_SHARE.get(style, profile.particles),
    )
