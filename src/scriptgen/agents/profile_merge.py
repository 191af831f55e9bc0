"""How several sources of a speaking style become one profile. Pure arithmetic, no store and no cache.

A script moves a profile by 0.3 towards itself, so that after n scripts 0.7ⁿ of the starting point is left:
that remainder is also what `confidence` lacks to 1.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Style

from .style_features import StyleFeatures

NEW_WEIGHT: Final = 0.3
_MAX_CATCHPHRASES: Final = 8
_MAX_ADDRESS: Final = 3
_STATED_FIELDS: Final = 6


def confidence_of(samples: int) -> float:
    return round(1.0 - (1.0 - NEW_WEIGHT) ** samples, 3)


def weight_of(samples: int) -> float:
    """The weight of `samples` scripts that are taken in at once."""
    return 1.0 - (1.0 - NEW_WEIGHT) ** samples


def blend(old: StyleProfile, new: StyleFeatures, weight: float) -> StyleProfile:
    """`old` moved towards `new` by `weight`. Words are joined: shared ones first, then old, then new."""

    def mix(before: float, found: float) -> float:
        return round((1 - weight) * before + weight * found, 4)

    samples = old.samples + new.samples
    return replace(
        old,
        formality=mix(old.formality, new.formality),
        humor=mix(old.humor, new.humor),
        interaction=mix(old.interaction, new.interaction),
        avg_sentence_length=mix(old.avg_sentence_length, new.avg_sentence_length),
        particles=mix(old.particles, new.particles),
        exclamation=mix(old.exclamation, new.exclamation),
        catchphrases=_joined(old.catchphrases, new.catchphrases)[:_MAX_CATCHPHRASES],
        address=_heard_first(old, new)[:_MAX_ADDRESS],
        first_person=old.first_person or new.first_person,
        samples=samples,
        confidence=confidence_of(samples),
    )


def with_stated(profile: StyleProfile, style: Style) -> StyleProfile:
    """`profile` with what the session states about the style. A statement outranks what was measured."""
    given = (style.formality, style.humor, style.interaction, style.avg_sentence_length)
    stated = sum(value is not None for value in given) + bool(style.tone) + bool(style.catchphrases)
    if not stated:
        return profile

    def pick(value: float | None, measured: float) -> float:
        return measured if value is None else value

    doubt = (1 - profile.confidence) * (1 - stated / _STATED_FIELDS)
    return replace(
        profile,
        tone=style.tone or profile.tone,
        formality=pick(style.formality, profile.formality),
        humor=pick(style.humor, profile.humor),
        interaction=pick(style.interaction, profile.interaction),
        avg_sentence_length=pick(style.avg_sentence_length, profile.avg_sentence_length),
        catchphrases=tuple(dict.fromkeys((*style.catchphrases, *profile.catchphrases)))[:_MAX_CATCHPHRASES],
        confidence=round(1 - doubt, 3),
    )


def _joined(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    shared = tuple(word for word in old if word in new)
    return tuple(dict.fromkeys((*shared, *old, *new)))


def _heard_first(old: StyleProfile, new: StyleFeatures) -> tuple[str, ...]:
    """Forms of address: a generic profile's guesses give way to what the host was heard to say."""
    if new.address and not old.samples:
        return new.address
    return _joined(old.address, new.address)
