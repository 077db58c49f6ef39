"""Zoom, pan and full screen: the pixel under the pointer stays, a click hits the right one, and the drawing is the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, first_label, settled

pytestmark = pytest.mark.browser

STORE = "const { store } = await sgeModule('state/store.js');"


def state(page, key):
    return page.evaluate(f"async () => {{ {STORE} return store.state.{key}; }}")


def wheel(page, x, y, pixels=-300):
    page.mouse.move(x, y)
    page.mouse.wheel(0, pixels)
    page.wait_for_timeout(250)  # until the sharp drawing after the gesture
    settled(page)


def ramps(width=640, height=480):
    """An image whose red tells the column and whose green tells the row of a pixel, as `drop` takes it."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return "ramps.png", "image/png", data.getvalue()


def colour_at(page, x, y):
    """Red and green of the drawn image under a position on the screen."""
    return page.locator("#image").evaluate(
        """(canvas, [x, y]) => {
          const box = canvas.getBoundingClientRect();
          const at = [(x - box.left) / box.width * canvas.width, (y - box.top) / box.height * canvas.height];
          const copy = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
          copy.drawImage(canvas, -Math.floor(at[0]), -Math.floor(at[1]));
          return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 2);
        }""",
        [x, y],
    )


@pytest.fixture
def with_ramps(open_page):
    page = open_page().page
    drop(page, ramps())
    expect(page.locator("sge-credit")).to_contain_text("ramps.png")
    choose(page, "signal", "similarity")
    page.locator("input[name=opacity]").fill("0")
    settled(page)
    return page


def test_a_click_hits_the_pixel_under_the_pointer_at_every_zoom(with_ramps):
    """The reference is the image itself: its colours tell the position."""
    page = with_ramps
    box = page.locator("sge-image").bounding_box()
    for share in ((0.5, 0.5), (0.31, 0.42), (0.72, 0.6)):
        x, y = box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]
        wheel(page, x, y)
        page.mouse.click(x, y)
        settled(page)
        point = state(page, "point")
        red, green = colour_at(page, x, y)
        assert point["x"] / 640 * 255 == pytest.approx(red, abs=2)
        assert point["y"] / 480 * 255 == pytest.approx(green, abs=2)
        marker = page.locator(".marker").bounding_box()
        assert marker["x"] + marker["width"] / 2 == pytest.approx(x, abs=1.5)
        assert marker["y"] + marker["height"] / 2 == pytest.approx(y, abs=1.5)
        page.wait_for_timeout(600)  # two quick clicks would be a double click
    assert state(page, "zoom")["scale"] > 4


def test_the_wheel_keeps_the_pixel_under_the_pointer(with_ramps):
    page = with_ramps
    box = page.locator("#image").bounding_box()
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"]
    before = colour_at(page, x, y)
    wheel(page, x, y)
    assert state(page, "zoom")["scale"] > 1.5
    np.testing.assert_allclose(colour_at(page, x, y), before, atol=2)
    for _ in range(8):
        wheel(page, x, y, 300)
    assert state(page, "zoom") == {"scale": 1, "x": 0.5, "y": 0.5}


def test_a_drag_moves_the_image_and_sets_no_point(with_ramps):
    page = with_ramps
    page.keyboard.press("+")
    page.keyboard.press("+")
    settled(page)
    box = page.locator("#image").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = colour_at(page, x, y)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=4)
    page.mouse.up()
    page.wait_for_timeout(250)
    settled(page)
    np.testing.assert_allclose(colour_at(page, x + 60, y + 40), before, atol=2)
    assert state(page, "point") is None
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5000, y + 5000, steps=3)
    page.mouse.up()
    settled(page)
    assert state(page, "zoom")["x"] > 0
    page.wait_for_timeout(250)
    np.testing.assert_allclose(colour_at(page, box["x"] + 2, box["y"] + 2), [0, 0], atol=2)


def test_keys_buttons_and_double_click(open_page):
    page = open_page().page
    page.keyboard.press("+")
    assert state(page, "zoom")["scale"] == pytest.approx(1.5)
    page.keyboard.press("-")
    assert state(page, "zoom")["scale"] == 1
    page.locator("[data-zoom=in]").click()
    page.locator("[data-zoom=in]").click()
    expect(page.locator("[data-zoom=reset]")).to_have_text("2.3\u00d7")
    page.keyboard.press("0")
    assert state(page, "zoom")["scale"] == 1
    box = page.locator("#image").bounding_box()
    page.locator("#image").dblclick(position={"x": box["width"] * 0.7, "y": box["height"] * 0.3})
    zoom = state(page, "zoom")
    assert zoom["scale"] == pytest.approx(2.5)
    assert zoom["x"] > 0.5 > zoom["y"]
    assert state(page, "point") is None
    page.locator("#image").focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    settled(page)
    expect(page.locator(".marker")).to_be_visible()
    assert state(page, "zoom")["x"] < 0.5
    page.locator(".thumb").nth(1).click()
    expect(first_label(page)).to_have_text("Egyptian cat")
    assert state(page, "zoom")["scale"] == 1


def test_the_cross_of_the_keyboard_starts_anew_on_another_image(open_page):
    page = open_page().page
    page.locator("#image").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".marker")).to_be_visible()
    page.keyboard.press("j")
    expect(first_label(page)).to_have_text("Egyptian cat")
    settled(page)
    expect(page.locator("#image")).to_be_focused()
    expect(page.locator(".marker")).to_be_hidden()
    page.keyboard.press("Enter")
    width, height = page.evaluate(f"async () => {{ {STORE} return store.image.analysis.geometry.image; }}")
    point = state(page, "point")
    assert (point["x"], point["y"]) == pytest.approx((width / 2, height / 2))


def test_a_key_in_a_text_field_does_not_zoom(open_page):
    page = open_page().page
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), { id: 'text' }))")
    page.locator("#text").press("+")
    assert state(page, "zoom")["scale"] == 1


def test_the_window_is_drawn_as_the_whole_image(open_page):
    """A window drawn alone has the pixels that the same window has in a drawing of the whole, for groups and parts."""
    page = open_page().page
    differences = page.evaluate(
        f"""async () => {{
          {STORE}
          const {{ Painter }} = await sgeModule("drawing/painter.js");
          const results = [];
          for (const view of ["groups", "parts"]) {{
            store.set({{ view, signal: "similarity" }});
            const whole = Object.assign(document.createElement("canvas"), {{ width: 800, height: 800 }});
            const part = Object.assign(document.createElement("canvas"), {{ width: 200, height: 200 }});
            new Painter(store).paint(whole);
            new Painter(store).paint(part, {{ left: 0.5, top: 0.25, width: 0.25, height: 0.25 }});
            const a = whole.getContext("2d").getImageData(400, 200, 200, 200).data;
            const b = part.getContext("2d").getImageData(0, 0, 200, 200).data;
            results.push(a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length);
          }}
          return results;
        }}"""
    )
    # The photo is resampled by the browser, from another source rectangle; parts' lines have the canvas's width.
    assert differences[0] < 1.0
    assert differences[1] < 2.0


def test_full_screen_shows_image_and_legend(open_page):
    page = open_page().page
    page.locator("[data-zoom=screen]").click()
    page.wait_for_function("document.fullscreenElement !== null")
    assert page.evaluate("document.fullscreenElement.className") == "pane"
    expect(page.get_by_test_id("legend")).to_be_in_viewport()
    expect(page.locator("#image")).to_be_in_viewport()
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === null")


def touches(client, *points):
    kind = "touchEnd" if not points else "touchMove"
    client.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]},
    )


def test_two_fingers_zoom_and_one_scrolls_the_page(open_page):
    page = open_page(390, 844, has_touch=True).page
    client = page.context.new_cdp_session(page)
    box = page.locator("#image").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    assert page.locator("#image").evaluate("(canvas) => getComputedStyle(canvas).touchAction") == "pan-y"
    client.send(
        "Input.dispatchTouchEvent",
        {
            "type": "touchStart",
            "touchPoints": [{"x": x - 30, "y": y, "id": 0}, {"x": x + 30, "y": y, "id": 1}],
        },
    )
    for spread in range(35, 95, 5):
        touches(client, (x - spread, y), (x + spread, y))
    touches(client)
    settled(page)
    scale = state(page, "zoom")["scale"]
    assert scale == pytest.approx(3, rel=0.15)
    assert page.evaluate("visualViewport.scale") == 1
    assert page.locator("#image").evaluate("(canvas) => getComputedStyle(canvas).touchAction") == "none"
    before = state(page, "zoom")
    client.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x + 60, "y": y, "id": 0}]}
    )
    for step in range(10, 130, 10):
        touches(client, (x + 60 - step, y))
    touches(client)
    settled(page)
    assert state(page, "zoom")["x"] > before["x"]
    expect(first_label(page)).to_have_text("German shepherd")  # no swipe while zoomed
    assert page.evaluate("scrollY") == 0
    page.locator("[data-zoom=reset]").tap()
    client.send("Input.synthesizeScrollGesture", {"x": x, "y": y, "yDistance": -200})
    assert page.evaluate("scrollY") > 100
    assert state(page, "zoom")["scale"] == 1


def test_both_images_of_a_comparison_zoom_together(open_page):
    page = open_page().page
    page.locator("sge-models > button").click()
    page.locator("[data-compare=twin]").click()
    page.wait_for_selector("sge-compare sge-group-grid .tile")
    page.keyboard.press("+")
    settled(page)
    expect(page.locator("[data-zoom=reset]").nth(1)).to_have_text("1.5\u00d7")
