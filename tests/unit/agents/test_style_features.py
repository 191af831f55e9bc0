from __future__ import annotations

from scriptgen.agents.style_features import added_phrases, extract_features, style_agreement
from scriptgen.domain.profile import StyleProfile

LIVELY = (
    "姐妹们看过来！这个颜色真的绝了！懂的都懂！你们是不是也缺一支日常色呀？扣1告诉我！",
    "家人们别划走呀！今天这支真的绝了！想看上嘴的打在公屏上！懂的都懂！",
)
FORMAL = (
    "各位贵宾晚上好，这件作品采用传统镶嵌工艺，线条流畅，质感温润。诸位可以细看转角处的抛光，兼具力量与雅致。",
)


def test_a_lively_host_and_a_formal_one_are_told_apart() -> None:
    lively, formal = extract_features(LIVELY), extract_features(FORMAL)
    assert lively is not None
    assert formal is not None
    assert lively.formality < 0.35
    assert formal.formality > 0.6
    assert lively.exclamation > 0.7
    assert formal.exclamation <= 0.1
    assert lively.interaction > formal.interaction
    assert lively.avg_sentence_length < formal.avg_sentence_length
    assert lively.particles > formal.particles == 0


def test_catchphrases_are_what_comes_back_in_several_scripts() -> None:
    lively = extract_features(LIVELY)
    assert lively is not None
    assert set(lively.catchphrases[:2]) == {"真的绝了", "懂的都懂"}
    assert lively.address == ("姐妹们", "家人们")


def test_prices_and_addresses_are_no_catchphrases() -> None:
    found = extract_features(("家人们，只要99！家人们，只要99！家人们，只要99！", "家人们，只要99！"))
    assert found is not None
    assert found.catchphrases == ()


def test_own_experience_is_recognised() -> None:
    own, other = extract_features(["这个面霜我自己用了半个月。"]), extract_features(["这个面霜很好推开。"])
    assert own is not None
    assert other is not None
    assert own.first_person
    assert not other.first_person


def test_texts_without_words_have_no_features() -> None:
    assert extract_features([]) is None
    assert extract_features(["", "！！！\n"]) is None


def test_a_script_agrees_more_with_the_profile_it_was_written_for() -> None:
    lively = StyleProfile(
        formality=0.15,
        humor=0.2,
        interaction=0.8,
        avg_sentence_length=9,
        exclamation=0.8,
        catchphrases=("真的绝了",),
    )
    formal = StyleProfile(
        formality=0.8, humor=0.0, interaction=0.1, avg_sentence_length=24, exclamation=0.0, particles=0
    )
    assert style_agreement(LIVELY[0], lively) > 0.8 > style_agreement(LIVELY[0], formal)
    assert style_agreement(FORMAL[0], formal) > 0.8 > style_agreement(FORMAL[0], lively)
    assert style_agreement("", lively) == 0.0


def test_exclamations_that_an_edit_put_in_are_learned() -> None:
    assert added_phrases("这支很显白。喜欢就拍。", "这支很显白，冲就对了！喜欢就拍，稳稳的！") == (
        "冲就对了",
        "稳稳的",
    )
    assert added_phrases("冲就对了！", "冲就对了！今天99！") == ()
