"""The menu of models: what each knows, which are ready, and using another one."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from sge.models.names import DOGS_MODEL
from sge.models.registry import shipped_entries
from tests.browser.acting import settled
from tests.browser.finding import ANALYSES, change

pytestmark = pytest.mark.browser
MODELS = re.compile(r"/api/v1/models$")


def open_menu(page):
    page.locator("sge-models > button").click()
    expect(page.locator(".model-list li").first).to_be_visible()
    return page.get_by_role("dialog", name="Models")


def loading(listed):
    return [*listed, listed[0] | {"name": "late", "ready": False, "default": False, "card": None}]


def broken(listed):
    return [
        *loading(listed)[:-1],
        loading(listed)[-1] | {"name": "broken", "error": "<b>its file is cut off</b>"},
    ]


def test_what_is_not_ready_is_grey_and_says_why(open_page):
    page = open_page(before=lambda page: change(page, broken, MODELS)).page
    menu = open_menu(page)
    entry = menu.locator("li.not-ready")
    expect(entry).to_have_count(1)
    expect(entry.get_by_role("button")).to_be_disabled()
    expect(entry).to_contain_text("Could not be loaded: <b>its file is cut off</b>")
    expect(entry.locator("[data-compare]")).to_have_count(0)


def test_a_model_that_loads_becomes_choosable_while_one_waits(open_page):
    answers = []

    def edit(listed):
        answers.append(1)
        return loading(listed) if len(answers) == 1 else listed

    page = open_page(before=lambda page: change(page, edit, MODELS)).page
    menu = open_menu(page)
    expect(menu.locator("li.not-ready")).to_contain_text("Still loading")
    expect(menu.locator("li.not-ready")).to_have_count(0)
    assert len(answers) >= 2
    count = len(answers)
    page.wait_for_timeout(2000)
    assert len(answers) == count  # all are ready: nobody is asked any more


def test_a_service_that_has_gone_is_told(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    watched.page.route(MODELS, lambda route: route.abort())
    watched.page.locator("sge-models > button").click()
    expect(watched.page.get_by_role("alert")).to_contain_text("The service does not answer")
    expect(watched.page.get_by_role("dialog", name="Models")).to_be_hidden()


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180), (1440, 900)])
def test_each_model_in_a_sentence(open_page, width, height):
    page = open_page(width, height).page
    menu = open_menu(page)
    expect(menu.locator(".model")).to_have_count(3)
    first, twin, dogs = menu.locator(".model").all()
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(first).to_contain_text("Knows ImageNet")
    expect(first).to_contain_text(re.compile(r"\d\d\.\d % right at first guess on the 500 pictures"))
    expect(first).to_contain_text("SGE inserted, gates")
    expect(twin).to_contain_text("The same weights under another name.")
    expect(twin).to_contain_text("Nothing was measured here; SGE inserted, gates asleep.")
    expect(first).to_contain_text("The service opens with it:")
    expect(dogs).to_contain_text("trained with SGE.")
    expect(dogs).not_to_contain_text("The service opens")
    box = menu.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height


def test_by_keyboard(open_page):
    page = open_page().page
    page.locator("sge-models > button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".model[aria-pressed=true]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-model=twin]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-compare=twin]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Models")).to_be_hidden()
    expect(page.locator("sge-models > button")).to_be_focused()


def test_pins_wait_for_their_model(open_page):
    page = open_page().page
    page.locator('[data-block="blocks.5.0"]').click()
    page.locator('sge-group-grid [data-group="3"]').click()
    expect(page.locator(".chip b")).to_have_text(["blocks.5.0/g3"])
    with page.expect_response(re.compile("model=twin")):
        open_menu(page).locator("[data-model=twin]").click()
    expect(page.locator("sge-models > button")).to_have_text("Twin")
    expect(page.locator(".chip")).to_have_count(0)
    open_menu(page).locator("[data-model]").first.click()
    expect(page.locator(".chip b")).to_have_text(["blocks.5.0/g3"])
    settled(page)
    expect(page.locator("sge-models > button")).not_to_have_text("Twin")


def test_a_network_trained_with_sge_opens_with_its_masks(open_page):
    page = open_page().page
    open_menu(page).locator(f"[data-model={DOGS_MODEL}]").click()
    expect(page.locator("sge-models > button")).to_have_text("SGE-ResNet-18, dogs")
    settled(page)
    expect(page.get_by_test_id("gates")).to_contain_text("what you see is the mask")
    expect(page.get_by_role("radio", name=re.compile("^Mask"))).to_be_checked()
    opening = shipped_entries()[DOGS_MODEL].card.opens_with
    expect(page.get_by_test_id("legend")).to_contain_text(f"{opening['block']}/g{opening['group']}")
    expect(page.locator("sge-group-grid [data-group]")).to_have_count(64)
    page.get_by_role("radio", name=re.compile("^Similarity")).check(force=True)
    expect(page.get_by_test_id("legend")).to_contain_text("similarity")


def test_maps_of_another_attention_are_not_called_sges(open_page):
    """As CBAM's and BAM's are: they act, but there are no SGE gates."""

    def watch(page):
        change(
            page, lambda said: said | {"signal": "mask", "model": said["model"] | {"gates": "none"}}, ANALYSES
        )
        change(page, lambda listed: [listed[0] | {"card": listed[0]["card"] | {"gates": "none"}}], MODELS)

    page = open_page(before=watch).page
    expect(page.get_by_test_id("gates")).to_contain_text(
        "another attention than SGE: what you see is its spatial map"
    )
    expect(open_menu(page).locator(".model")).to_contain_text("with another attention than SGE.")
