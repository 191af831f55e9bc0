"""One text on its way from the model to the reader: cleaned, guarded, watched for leaks of the prompt.

It calls no model; the script agent feeds it and decides what happens when something in it blocks.
"""

from __future__ import annotations

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.guard import Screened
from scriptgen.domain.generation import ResetReason
from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.writing import WritingTask

from .cleaning import StreamCleaner
from .sentences import trim_unfinished, unfinished_tail, visible_length
from .structure import thin_below
from .write_events import Text, Withdrawn


class Draft:
    """One text on its way: what was shown of it, and whether something in it blocks."""

    def __init__(self, task: WritingTask, checker: ComplianceChecker, canary: str) -> None:
        self._task = task
        self._canary = canary
        self._checker = checker
        self.repairs: list[QualityIssue] = []
        self.blocked: QualityIssue | None = None
        self.whole = True
        self.longest_holdback = 0
        self._shown: list[str] = []
        self._seen = ""  # the end of the cleaned text, where a canary may be forming
        self._cleaner = StreamCleaner(task)
        self._guard = checker.guard(category=task.category, product=task.product)

    @property
    def shown(self) -> str:
        return "".join(self._shown)

    @property
    def dropping(self) -> bool:
        """Whether nobody waits for what the model says now, because it is left out."""
        return self._cleaner.dropping

    @property
    def screened(self) -> Screened | None:
        """What the guard found in the text, once it has let all of it out."""
        return self._guard.screened()

    def feed(self, raw: str) -> list[Text | Withdrawn]:
        restarts = self._cleaner.restarts
        text = self._cleaner.feed(raw)
        events: list[Text | Withdrawn] = []
        if self._cleaner.restarts != restarts:
            events = self._withdraw("模型刚才是在思考，现在开始正式写。")
            self._guard = self._checker.guard(category=self._task.category, product=self._task.product)
            self.repairs.clear()
        return events + self._pass(text, final=False)

    def finish(self, *, cut_off: bool) -> list[Text | Withdrawn]:
        """The held-back rest. A text that was cut off loses its unfinished sentence, also where it was shown:
        nothing is ever spliced onto it. If too little would be left, it stays and the draft is not whole.
        """
        before = self.shown
        events = self._pass(self._cleaner.finish(), final=True)
        if self.blocked or not cut_off or not unfinished_tail(self.shown):
            return events
        kept = trim_unfinished(self.shown)
        if visible_length(kept) < thin_below(self._task):
            self.whole = False
            return events
        if kept.startswith(before):
            self._shown = [kept] if kept else []
            return [Text(kept[len(before) :])] if len(kept) > len(before) else []
        events = self._withdraw("这一稿写到长度上限被截断，去掉没说完的一句。")
        self._shown = [kept]
        return [*events, Text(kept)]

    def take_whole(self, text: str) -> list[Text | Withdrawn]:
        return self._pass(text, final=True)

    def _withdraw(self, detail: str) -> list[Text | Withdrawn]:
        events: list[Text | Withdrawn] = [Withdrawn(ResetReason.QUALITY_RETRY, detail)] if self._shown else []
        self._shown.clear()
        return events

    def _pass(self, text: str, *, final: bool) -> list[Text | Withdrawn]:
        released = ""
        if self._leaks(text):
            self.blocked = _leak()
            return []
        if text:
            output = self._guard.feed(text)
            released, self.blocked = output.released, output.blocked
            self.repairs += output.repairs
        if final and self.blocked is None:
            output = self._guard.finish()
            released, self.blocked = released + output.released, output.blocked
            self.repairs += output.repairs
        if self.blocked is not None or not released:
            self.longest_holdback = max(self.longest_holdback, self._guard.held)
            return []
        self._shown.append(released)
        return [Text(released)]

    def _leaks(self, text: str) -> bool:
        """Looks at what would be said: a model that reasons about its prompt leaks nothing yet."""
        if not self._canary:
            return False
        window = self._seen + text
        self._seen = window[-(len(self._canary) - 1) :] if len(self._canary) > 1 else ""
        return self._canary in window


def _leak() -> QualityIssue:
    return QualityIssue(
        type="structure_prompt_echo",
        severity=Severity.BLOCK,
        span="",
        start=0,
        end=0,
        message="输出里带出了系统提示的内容",
        suggestion="只写主播要说的话",
    )
