"""What the translate skill says when no model can write the language."""

from __future__ import annotations

from tests.unit.workflow.kit import running


async def test_a_foreign_language_without_a_model_is_said_to_be_impossible() -> None:
    async with running(workflow_engine="sequential") as kit:
        key = await kit.session()
        written = await kit.generate(key, "写一段开场话术")
        translated = await kit.generate(key, "翻成英文")
        assert any("英文" in warning for warning in translated.warnings)
        assert translated.scripts[0].content == written.scripts[0].content


async def test_a_price_the_operator_typed_is_a_given_fact() -> None:
    async with running(workflow_engine="sequential") as kit:
        key = await kit.session()
        await kit.generate(key, "写一段促销话术")
        changed = await kit.generate(key, "把“59.9”改成“49.9”")
        assert "49.9" in changed.scripts[0].content
        quality = changed.scripts[0].quality
        assert quality is not None
        assert not [issue for issue in quality.issues if issue.type == "unsupported_fact"]


async def test_the_last_scene_of_a_whole_set_is_not_the_scene_of_the_next_script() -> None:
    async with running(workflow_engine="sequential") as kit:
        key = await kit.session()
        await kit.generate(key, "口红全套话术来一份")
        written = await kit.generate(key, "写条小红书种草文案")
        assert written.scripts[0].sub_scenario == ""


async def test_a_sale_price_of_a_switched_product_reaches_the_script() -> None:
    async with running(workflow_engine="sequential") as kit:
        key = await kit.session()
        await kit.generate(key, "写一段开场话术")
        result = await kit.generate(key, "换成云朵面霜，写促销，卖129")
        assert result.intent is not None
        assert result.intent.slots.price == "129"
        assert "129" in result.scripts[0].content
