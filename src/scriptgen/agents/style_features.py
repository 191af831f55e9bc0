"""Measures how somebody speaks from scripts they said or approved. Stores nothing and merges nothing.

The measures are counts over sentences and clauses with small word lists: deterministic, a fraction of a
millisecond, and explainable to the operator. Ratios are 0..1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from scriptgen.domain.profile import StyleProfile

from .sentences import split_clauses, split_sentences, visible_length

_COLLOQUIAL: Final = re.compile(
    r"咱|啥|咋|贼|超级|真的|绝了|吧|嘛|啦|哈|呗|哦|喔|呀|搞|整|贼拉|巨|可劲|跟你们|你们|这玩意|老铁|家人们|姐妹们|宝子|别划走|安排"
)
_FORMAL: Final = re.compile(
    r"您|诸位|各位|敬请|品质|工艺|甄选|臻|匠|尊享|雅致|精湛|以及|并且|因此|从而|此外|兼具|呈现|彰显|质感|格调|所谓|其中|采用"
)
_HUMOUR: Final = re.compile(
    r"哈哈|笑死|嘿嘿|逗|段子|开个?玩笑|不是我吹|我妈|我婆婆|我老公|老板|破防|社死|打工人|钱包|真香|扎心|求求|救命|离谱|绝绝子|整活|戏精|表情包|躺平|卷|翻车"
)
_INTERACTION: Final = re.compile(
    r"[？?]|扣(?:个)?[\d一二三六]|公屏|评论|弹幕|点个?关注|点点?赞|小红心|告诉我|打在|举手|有没有|是不是|对不对|好不好|你们|问我"
)
_ADDRESS: Final = re.compile(
    r"(?:家人|姐妹|宝子|宝宝|宝贝|亲|老铁|朋友|宝妈|兄弟|伙伴|吃货|集美|同学|书友|女生|哥哥|叔叔阿姨|小可爱|仙女)们|各位(?:朋友|姐妹|家人|书友|宝妈)?"
)
_PARTICLE: Final = re.compile(r"[呀呢啦哦嘛吧哈啊喔哒噢呗哟](?=[。！？!?…\n，,～~]|$)")
_FIRST_PERSON: Final = re.compile(
    r"我(?:自己|家|们家)?(?:也|都|就|已经|这)?(?:用了|穿了|吃了|喝了|戴了|试了|回购|囤了|天天用|天天穿|每天用|一直在用|一直用)"
)
_CATCHPHRASE_WORDS: Final = (
    *(
        "真的绝了",
        "绝了",
        "听我的",
        "听我一句",
        "我跟你们说",
        "我跟你们讲",
        "我跟你讲",
        "说实话",
        "讲真",
        "不是我吹",
    ),
    *(
        "懂的都懂",
        "你们品",
        "你品",
        "姐妹听我说",
        "闭眼入",
        "给我冲",
        "冲就完了",
        "买它",
        "安排上",
        "OMG",
        "我的妈呀",
    ),
    *("所有女生", "稳稳的", "没毛病", "妥妥的", "谁懂啊", "信我", "来来来", "走过路过", "哎哟喂", "我的天"),
)
_DIGIT: Final = re.compile(r"\d")
_MAX_CATCHPHRASES: Final = 8
_MAX_ADDRESS: Final = 3


class StyleFeatures(msgspec.Struct, frozen=True):
    """What `samples` scripts have in common. Named and scaled like the fields of `StyleProfile`."""

    formality: float
    humor: float
    interaction: float
    avg_sentence_length: float
    particles: float
    exclamation: float
    catchphrases: tuple[str, ...]
    address: tuple[str, ...]
    first_person: bool
    samples: int


def extract_features(texts: Sequence[str], *, phrases: bool = True) -> StyleFeatures | None:
    """Features of the scripts together; None when they hold no words. Without `phrases` no catchphrases are
    looked for, which is most of the work.
    """
    spoken = [text for text in texts if visible_length(text)]
    sentences = [sentence for text in spoken for sentence in split_sentences(text)]
    lengths = [length for length in map(visible_length, sentences) if length]
    if not lengths:
        return None
    whole = "\n".join(spoken)
    count = len(lengths)
    colloquial, formal = len(_COLLOQUIAL.findall(whole)), len(_FORMAL.findall(whole))
    return StyleFeatures(
        # One neutral count on each side keeps a short text from being judged by a single word.
        formality=round((formal + 1) / (colloquial + formal + 2), 3),
        humor=_share(sum(bool(_HUMOUR.search(s)) for s in sentences), count, full=0.4),
        interaction=_share(sum(bool(_INTERACTION.search(s)) for s in sentences), count, full=0.6),
        avg_sentence_length=round(sum(lengths) / count, 1),
        particles=_share(len(_PARTICLE.findall(whole)), count, full=1.0),
        exclamation=_share(sum(s.rstrip("”’」』").endswith(("！", "!")) for s in sentences), count, full=1.0),
        catchphrases=_catchphrases(spoken) if phrases else (),
        address=tuple(word for word, _ in Counter(_ADDRESS.findall(whole)).most_common(_MAX_ADDRESS)),
        first_person=_FIRST_PERSON.search(whole) is not None,
        samples=len(spoken),
    )


def style_agreement(text: str, profile: StyleProfile) -> float:
    """How much `text` sounds like `profile`, 0..1: a weighted mean of the closeness of each feature.

    Catchphrases count only where the profile has any: one of them heard is full marks.
    """
    found = extract_features([text], phrases=False)
    if found is None:
        return 0.0
    length_gap = abs(found.avg_sentence_length - profile.avg_sentence_length)
    parts = [
        (0.2, _close(found.formality, profile.formality)),
        (0.15, _close(found.humor, profile.humor)),
        (0.2, _close(found.interaction, profile.interaction)),
        (0.2, max(0.0, 1 - length_gap / max(profile.avg_sentence_length, 8.0))),
        (0.1, _close(found.particles, profile.particles)),
        (0.15, _close(found.exclamation, profile.exclamation)),
    ]
    if profile.catchphrases:
        parts.append((0.25, 1.0 if any(phrase in text for phrase in profile.catchphrases) else 0.0))
    if profile.address:
        parts.append((0.1, 1.0 if any(word in text for word in profile.address) else 0.5))
    weight = sum(w for w, _ in parts)
    return round(sum(w * value for w, value in parts) / weight, 3)


def added_phrases(before: str, after: str) -> tuple[str, ...]:
    """Short exclamations that an edit put in: what a host adds by hand is how the host wants to sound."""
    exclaimed = (
        split_clauses(sentence)[-1:]
        for sentence in split_sentences(after)
        if sentence.rstrip("”’」』").endswith(("！", "!", "～", "~"))
    )
    return tuple(
        dict.fromkeys(
            clause
            for last in exclaimed
            for clause in last
            if len(clause) <= 6 and _sounds_set(clause) and clause not in before
        )
    )


def _sounds_set(clause: str) -> bool:
    return 2 <= len(clause) <= 8 and not _DIGIT.search(clause) and not _ADDRESS.fullmatch(clause)


def _close(found: float, wanted: float) -> float:
    return 1.0 - abs(found - wanted)


def _share(count: int, total: int, *, full: float) -> float:
    """A count per sentence as a ratio; `full` is the share of sentences that counts as the most."""
    return round(min(1.0, count / total / full), 3)


def _catchphrases(texts: Sequence[str]) -> tuple[str, ...]:
    """Set phrases and clauses of 2-8 letters heard in two scripts or three times in one, by frequency.

    Clauses with digits are facts, and clauses that only call the audience are address, not catchphrases.
    """
    whole = "\n".join(texts)
    known = Counter({phrase: whole.count(phrase) for phrase in _CATCHPHRASE_WORDS if phrase in whole})
    clauses = [[clause for clause in split_clauses(text) if _sounds_set(clause)] for text in texts]
    total = Counter(clause for said in clauses for clause in said)
    scripts = Counter(clause for said in clauses for clause in set(said))
    known.update(
        {
            clause: count
            for clause, count in total.items()
            if clause not in known and (scripts[clause] >= 2 or count >= 3)
        }
    )
    kept: list[str] = []
    for phrase, _ in known.most_common():
        if not any(phrase in other for other in kept):
            kept.append(phrase)
    return tuple(kept[:_MAX_CATCHPHRASES])
