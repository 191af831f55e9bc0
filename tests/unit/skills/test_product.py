from __future__ import annotations

from scriptgen.domain.intent import Intent, Slots
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import IntentType
from scriptgen.skills.product import effective_product

from .contexts import LIPSTICK


def intent(slots: Slots, *, switched: bool = False) -> Intent:
    return Intent(IntentType.SCRIPT_GENERATION, 0.9, slots=slots, product_switched=switched)


def test_without_a_word_about_it_the_product_stays() -> None:
    assert effective_product(LIPSTICK, None, intent(Slots())) == (LIPSTICK, ())


def test_typed_price_and_points_come_on_top() -> None:
    product, forbidden = effective_product(
        LIPSTICK, None, intent(Slots(price="49", selling_points=("一抹成膜",)))
    )
    assert product.price == "49"
    assert product.selling_points == ("一抹成膜", "不沾杯", "显白")
    assert product.facts == LIPSTICK.facts
    assert forbidden == ()


def test_a_switch_keeps_nothing_of_the_old_product_and_forbids_it() -> None:
    product, forbidden = effective_product(
        LIPSTICK, None, intent(Slots(product_name="云朵面霜", price="129"), switched=True)
    )
    assert product == Product(name="云朵面霜", price="129")
    assert set(forbidden) == {"桃桃唇釉", "小白鸭", "不沾杯", "显白", "59", "3.5克"}


def test_what_both_products_share_is_not_forbidden() -> None:
    new = Product(name="桃桃面霜", brand="小白鸭", price="59元", selling_points=("显白",))
    product, forbidden = effective_product(LIPSTICK, new, intent(Slots()))
    assert product == new
    assert set(forbidden) == {"桃桃唇釉", "不沾杯", "3.5克"}


def test_a_name_that_is_part_of_the_products_name_is_the_same_product() -> None:
    assert effective_product(LIPSTICK, None, intent(Slots(product_name="唇釉")))[0] == LIPSTICK


def test_another_name_is_another_product_even_if_nobody_said_that_it_changed() -> None:
    product, forbidden = effective_product(LIPSTICK, None, intent(Slots(product_name="羽绒服")))
    assert product == Product(name="羽绒服")
    assert "桃桃唇釉" in forbidden


def test_the_requests_product_completes_the_sessions() -> None:
    product, forbidden = effective_product(
        LIPSTICK, Product(price="39元", facts={"色号": "12号"}), intent(Slots())
    )
    assert (product.name, product.price) == ("桃桃唇釉", "39元")
    assert product.facts == {"净含量": "3.5克", "产地": "上海", "色号": "12号"}
    assert forbidden == ()


def test_a_session_without_a_product_takes_the_typed_one() -> None:
    assert effective_product(Product(), None, intent(Slots(product_name="口红", price="99"))) == (
        Product(name="口红", price="99"),
        (),
    )
