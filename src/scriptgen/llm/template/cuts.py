"""Takes something out of a script: a sentence, a paragraph, length."""

from __future__ import annotations

import re

from scriptgen.domain.scenes import scene_for, target_characters
from scriptgen.domain.writing import WritingTask

from .sentences import finished, is_action, is_price, join, shortened, split
from .wording import ADDRESSES, DELETE, ENDING, HALF, NUMERALS, OPENING, ORDINAL, QUOTES, TOPIC_TAIL


def delete(text: str, task: WritingTask) -> str:
    paragraphs = split(text)
    for match in DELETE.finditer(task.instruction):
        topic = (match[1] or match[2] or "").strip()
        if ordinal := ORDINAL.search(topic):
            paragraphs = _without_ordinal(paragraphs, ordinal)
            continue
        topic = re.sub(
            r"^(?:讲|说|提到?|关于|有关|刚才|里面?的?|那句|这句|.*把)", "", TOPIC_TAIL.sub("", topic)
        )
        topic = re.sub(r"的$", "", topic.strip(f" {QUOTES}"))
        if not topic:
            continue
        kept = [[s for s in p if not _about(s, topic)] for p in paragraphs]
        if OPENING.fullmatch(topic):
            kept = [paragraphs[0][1:], *paragraphs[1:]]
        elif ENDING.fullmatch(topic):
            kept = [*paragraphs[:-1], paragraphs[-1][:-1]]
        elif kept == paragraphs and topic in text:
            return text.replace(topic, "")
        # when all is one sentence, only its clause goes
        paragraphs = kept if any(kept) else [[_without_clause(s, topic) for s in p] for p in paragraphs]
    return join(paragraphs)


def _without_ordinal(paragraphs: list[list[str]], ordinal: re.Match[str]) -> list[list[str]]:
    index = NUMERALS.get(ordinal[1]) or int(ordinal[1])
    if ordinal[2] == "段":
        return [p for i, p in enumerate(paragraphs, 1) if i != index] or paragraphs
    seen = 0
    kept: list[list[str]] = []
    for paragraph in paragraphs:
        lines = []
        for sentence in paragraph:
            seen += 1
            if seen != index:
                lines.append(sentence)
        kept.append(lines)
    return kept if any(kept) else paragraphs


def _about(sentence: str, topic: str) -> bool:
    if topic in sentence:
        return True
    if re.search(r"价|多少钱", topic):
        return is_price(sentence)
    if re.search(r"下单|链接|购买", topic):
        return is_action(sentence)
    if "互动" in topic:
        return bool(re.search(r"扣|公屏|评论|举手|举个手", sentence))
    if re.search(r"问候|招呼", topic):
        return bool(ADDRESSES.search(sentence) and re.search(r"好|欢迎|哈喽|来了", sentence))
    return False


def _without_clause(sentence: str, topic: str) -> str:
    clauses = re.split(r"(?<=[，、；])", sentence)
    kept = [c for c in clauses if not _about(c, topic)]
    return finished("".join(kept)) if kept else sentence


def shorten(text: str, task: WritingTask) -> str:
    paragraphs = split(text)
    ordinal = ORDINAL.search(task.instruction)
    if ordinal and ordinal[2] == "段":
        index = (NUMERALS.get(ordinal[1]) or int(ordinal[1])) - 1
        if index < len(paragraphs):
            part = [paragraphs[index]]
            size = sum(map(len, paragraphs[index]))
            paragraphs[index] = shortened(part, max(8, size // 2 + 2), task)[0]
            return join(paragraphs)
    return join(shortened(paragraphs, wanted_length(text, task, 0.6), task))


def wanted_length(text: str, task: WritingTask, ratio: float) -> int:
    size = len("".join(text.split()))
    if HALF.search(task.instruction) and not re.search(r"半分钟|分半", task.instruction):
        return max(20, size // 2)
    if numbered := re.search(r"(\d+)\s*个?字", task.instruction):
        return int(numbered[1])
    if re.search(r"\d+\s*(?:秒|s)|分钟", task.instruction):
        return target_characters(task.instruction, scene_for(task.sub_scenario, task.scenario))
    return task.target_characters or round(size * ratio)
