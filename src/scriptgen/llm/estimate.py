"""How many tokens a text is, without a tokenizer: for reservations before a call, and for calls whose
upstream did not say. Counting characters by four is wrong by 2-3 times for Chinese.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from scriptgen.domain.generation import Usage

#: Tokens of one CJK character and of any other: Qwen's tokenizer needs 0.6-0.7 and about 0.25.
MEASURED_CJK: Final = 0.65
CAUTIOUS_CJK: Final = 0.75
OTHER: Final = 0.25


def estimate_tokens(text: str, per_cjk: float = MEASURED_CJK) -> int:
    """Tokens of `text`, at least 1 when there is any.

    A CJK character is three bytes of UTF-8 and ASCII one, so the surplus of bytes counts CJK characters
    without looking at each.
    """
    characters = len(text)
    cjk = min(characters, (len(text.encode(errors="surrogatepass")) - characters) / 2)
    return max(round(cjk * per_cjk + (characters - cjk) * OTHER), 1 if text else 0)


class TokenEstimator:
    """Estimates one generation before it runs and learns from what it really used.

    Kept per (model, scene): the ratio of used to estimated prompt tokens and the tokens of a script, both
    as exponentially weighted means. Bounded: a ratio stays in 0.5..3, at most `capacity` pairs are kept.
    """

    def __init__(
        self,
        *,
        overhead_tokens: int = 0,
        default_characters: int = 220,
        weight: float = 0.2,
        capacity: int = 256,
    ) -> None:
        """`overhead_tokens` is what the service adds to the prompts it is asked about (0 when it is asked
        about whole prompts), `default_characters` a script's usual length, `weight` the newest observation's.
        """
        self._overhead = overhead_tokens
        self._default_characters = default_characters
        self._weight = weight
        self._capacity = capacity
        self._learned: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def estimate(self, prompt: str, *, model: str = "", scene: str = "", target_characters: int = 0) -> Usage:
        """Tokens of one call. `target_characters` 0 means the scene's own length, learned when known."""
        ratio, output = self._learned.get((model, scene), (1.0, 0.0))
        if target_characters or not output:
            output = (target_characters or self._default_characters) * CAUTIOUS_CJK
        return Usage(round(self._unscaled(prompt) * ratio), round(output), estimated=True)

    def learn(self, prompt: str, used: Usage, *, model: str = "", scene: str = "") -> None:
        """Move the pair's means towards what `prompt` really used. Usage that was itself estimated teaches
        nothing, nor does a call that was cut before it wrote anything.
        """
        unscaled = self._unscaled(prompt)
        if used.estimated or not used.completion_tokens or not unscaled:
            return
        ratio, output = self._learned.pop((model, scene), (1.0, float(used.completion_tokens)))
        ratio += self._weight * (used.prompt_tokens / unscaled - ratio)
        output += self._weight * (used.completion_tokens - output)
        self._learned[model, scene] = (min(max(ratio, 0.5), 3.0), output)
        if len(self._learned) > self._capacity:
            self._learned.popitem(last=False)

    def _unscaled(self, prompt: str) -> int:
        return self._overhead + estimate_tokens(prompt, CAUTIOUS_CJK)
