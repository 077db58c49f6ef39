"""The menu of models: descriptions, readiness, and using another model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from sge.models.names import PETS_MODEL
from sge.models.registry import shipped_entries
from tests.browser.actions import settled
from tests.browser.placed_parts import ANALYSES, change

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


def test_a_model_that_is_not_ready_is_disabled_with_its_reason(open_page):
    page = open_page(before=lambda page: change(page, broken, MODELS)).page
    menu = open_menu(page)
    entry = menu.locator("li.not-ready")
    expect(entry).to_have_count(1)
    expect(entry.get_by_role("button")).to_be_disabled()
    expect(entry).to_contain_text("Could not be loaded: <b>its file is cut off</b>")
    expect(entry.locator("[data-compare]")).to_have_count(0)


def test_a_loading_model_becomes_available_while_the_menu_is_open(open_page):
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
    assert len(answers) == count  # all models are ready, so the page stops polling


def test_the_menu_stays_where_it_is_scrolled_while_a_model_loads(open_page):
    answers = []

    def edit(listed):
        answers.append(1)
        return loading(listed)

    page = open_page(1440, 420, before=lambda page: change(page, edit, MODELS)).page
    menu = open_menu(page)
    page.locator("[data-model]").last.hover()
    page.mouse.wheel(0, 2000)
    page.wait_for_timeout(200)
    position = menu.evaluate("(menu) => menu.scrollTop")
    assert position > 0
    page.wait_for_timeout(2000)
    assert len(answers) >= 2
    assert menu.evaluate("(menu) => menu.scrollTop") == position


def test_an_unreachable_service_is_reported(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    watched.page.route(MODELS, lambda route: route.abort())
    watched.page.locator("sge-models > button").click()
    expect(watched.page.get_by_role("alert")).to_contain_text("The service does not answer")
    menu = watched.page.get_by_role("dialog", name="Models")
    expect(menu).to_be_hidden()
    watched.page.unroute(MODELS)
    watched.page.get_by_role("button", name="Retry").click()
    expect(menu.locator(".model")).to_have_count(4)
    expect(watched.page.get_by_role("alert")).to_be_empty()


def test_where_the_first_model_cannot_be_loaded_another_one_is_chosen(open_page):
    """The page opens without any analysis: its menu is the only way out."""

    def fail_without_a_model(page):
        def answer(route):
            if "model=twin" in route.request.url:
                return route.continue_()
            problem = {"detail": "mine could not be loaded: its file is damaged.", "reason": "failed"}
            return route.fulfill(status=503, headers={"Retry-After": "60"}, json=problem)

        page.route(ANALYSES, answer)

    watched = open_page(before=fail_without_a_model, shown=False)
    watched.expected = ["Failed to load resource"]
    page = watched.page
    expect(page.get_by_role("alert")).to_contain_text("mine could not be loaded")
    expect(page.locator("sge-models > button")).to_have_text("Choose a model")
    open_menu(page).locator("[data-model=twin]").click()
    expect(page.locator("sge-group-grid .tile").first).to_be_visible()
    expect(page.locator("sge-models > button")).not_to_have_text("Choose a model")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("sge-credit")).to_contain_text("shepherd", ignore_case=True)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180), (1440, 900)])
def test_each_model_is_described(open_page, width, height):
    page = open_page(width, height).page
    menu = open_menu(page)
    expect(menu.locator(".model")).to_have_count(4)
    first, twin, dogs, original = menu.locator(".model").all()
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(first).to_contain_text("Recognizes the 1000 ImageNet classes")
    expect(first).to_contain_text(re.compile(r"Top-1 accuracy \d\d\.\d % on the 500 images"))
    expect(first).to_contain_text("SGE inserted, gates tuned")
    expect(twin).to_contain_text("The same weights under another name.")
    expect(twin).to_contain_text("Accuracy not measured; SGE inserted, gates tuned")
    expect(first).to_contain_text("The service uses it by default:")
    expect(dogs).to_contain_text("trained with SGE.")
    expect(original).to_contain_text("SGE inserted, gates inactive.")
    expect(dogs).not_to_contain_text("The service uses it")
    expect(first.locator(".badge")).to_have_text(["in use", "opens first"])
    expect(first).to_contain_text("Its baseline: “EfficientNet-Lite0 with SGE”, top-1 accuracy 76.6 %.")
    expect(original.locator(".badge")).to_have_text(["baseline"])
    expect(original).to_contain_text("The baseline of “EfficientNet-Lite0 with SGE, tuned gates”")
    expect(twin.locator(".badge")).to_have_count(0)
    box = menu.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height


@pytest.mark.parametrize(
    ("listed", "name", "tuned", "base"),
    [
        ([("a", "inactive", None), ("b", "tuned", "a")], "a", "b", None),
        ([("a", "inactive", None), ("b", "tuned", "a")], "b", None, "a"),
        ([("a", "inactive", None), ("b", "tuned", "c")], "a", None, None),
        ([("a", "inactive", None), ("b", "trained", "a")], "a", None, None),
        ([("b", "tuned", "a")], "b", None, None),
        ([("a", "inactive", None)], "unknown", None, None),
        ([], "a", None, None),
    ],
)
def test_the_tuned_counterpart_and_the_baseline(open_page, listed, name, tuned, base):
    """Networks that are still loading, and have no card yet, are neither."""
    models = [
        {"name": each, "ready": True, "card": {"gates": gates, "made_from": made and {"model": made}}}
        for each, gates, made in listed
    ]
    models.append({"name": "late", "ready": False, "card": None})
    found = open_page().page.evaluate(
        """async ([models, name]) => {
          const { tunedCounterpart, baseline } = await sgeModule("state/models.js");
          return [tunedCounterpart(models, name), baseline(models, name)].map((model) => model && model.name);
        }""",
        [models, name],
    )
    assert found == [tuned, base]


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


def test_pins_are_kept_for_their_model(open_page):
    page = open_page().page
    page.locator('[data-block="blocks.5.0"]').click()
    page.locator('sge-group-grid [data-group="3"]').click()
    expect(page.locator(".chip b")).to_have_text(["5.0·g3"])
    with page.expect_response(re.compile("model=twin")):
        open_menu(page).locator("[data-model=twin]").click()
    expect(page.locator("sge-models > button")).to_have_text("Twin")
    expect(page.locator(".chip")).to_have_count(0)
    open_menu(page).locator("[data-model]").first.click()
    expect(page.locator(".chip b")).to_have_text(["5.0·g3"])
    settled(page)
    expect(page.locator("sge-models > button")).not_to_have_text("Twin")


def test_a_network_trained_with_sge_opens_with_its_masks(open_page):
    page = open_page().page
    open_menu(page).locator(f"[data-model={PETS_MODEL}]").click()
    expect(page.locator("sge-models > button")).to_have_text("SGE-ResNet-18, cats and dogs")
    settled(page)
    expect(page.get_by_test_id("gates")).to_contain_text("the maps show the masks")
    expect(page.get_by_role("radio", name=re.compile("^Mask"))).to_be_checked()
    opening = shipped_entries()[PETS_MODEL].card.opens_with
    expect(page.get_by_test_id("legend")).to_contain_text(
        f"Block {opening['block'].removeprefix('layer')} · group {opening['group']}"
    )
    expect(page.locator("sge-group-grid [data-group]")).to_have_count(64)
    page.get_by_role("radio", name=re.compile("^Similarity")).check(force=True)
    expect(page.get_by_test_id("legend")).to_contain_text("similarity")


def test_maps_of_another_attention_are_not_called_masks_of_sge(open_page):
    """CBAM and BAM have spatial maps that act on the features, but no SGE gates."""

    def watch(page):
        change(
            page, lambda said: said | {"signal": "mask", "model": said["model"] | {"gates": "none"}}, ANALYSES
        )
        change(page, lambda listed: [listed[0] | {"card": listed[0]["card"] | {"gates": "none"}}], MODELS)

    page = open_page(before=watch).page
    expect(page.get_by_test_id("gates")).to_contain_text(
        "another attention module than SGE: the maps show its spatial map"
    )
    expect(open_menu(page).locator(".model")).to_contain_text("another attention module than SGE.")
