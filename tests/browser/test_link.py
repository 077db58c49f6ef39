"""A view is a link: the state of a view in the URL's hash, and back."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, first_label, painted, photo, settled

pytestmark = pytest.mark.browser
MODULE = "state/view-hash.js"
RANDOM_VIEWS = """
async ([module, count]) => {
  const { defaultView, readHash, writeHash } = await sgeModule(module);
  let seed = 1;
  const random = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };
  const pick = (...values) => values[random(values.length)];
  const block = () => pick("blocks.5.0", "blocks.5.3", "layer3.5", "features.1.0", "a-b_c");
  const group = () => ({ block: block(), group: random(64) });
  const distinct = (groups) => [...new Map(groups.map((one) => [one.block + ":" + one.group, one])).values()];
  const list = (n) => distinct(Array.from({ length: random(n) }, group));
  const colours = (pins) => {
    const free = [0, 1, 2, 3, 4, 5];
    return pins.map((pin) => ({ ...pin, slot: free.splice(random(free.length), 1)[0] }));
  };
  const canonical = (view) => {
    const sorted = [...view.off].sort((a, b) => a.block.localeCompare(b.block) || a.group - b.group);
    return JSON.stringify({ ...view, off: sorted });
  };
  const wrong = [];
  for (let i = 0; i < count; i += 1) {
    const view = {
      ...defaultView(),
      model: pick(null, "sge_resnet18_dogs", "Mein Hund & 100 % #1=ü", "a,b;c:d@e"),
      image: pick(null, "own", "panda"),
      block: pick(null, block()),
      pins: colours(list(7)),
      signal: pick(null, "mask", "similarity"),
      scale: pick("relative", "absolute"),
      colormap: pick("magma", "viridis", "cividis", "inferno", "plasma"),
      opacity: random(21) / 20,
      view: pick("parts", "groups", "gradcam"),
      sort: pick(null, "effect", "parts", "focus", "energy", "number"),
      framing: pick("whole", "center"),
      partsBy: pick("mix", "groups"),
      target: pick(null, random(1000)),
      expected: pick(null, random(1000)),
      off: list(80),
      offMode: pick("zero", "only"),
      flattened: pick(false, true),
      point: pick(null, { x: random(20000) / 10, y: random(20000) / 10 }),
      compare: pick(null, "twin"),
      difference: pick(false, true),
      tour: pick(null, { ...group(), step: random(7) }),
    };
    const hash = writeHash(view);
    const back = readHash("#" + hash);
    if (back.problems.length || canonical(back.view) !== canonical(view)) wrong.push([view, hash, back]);
    if (writeHash(back.view) !== hash) wrong.push([hash, writeHash(back.view)]);
    if (new URL("#" + hash, location.href).hash !== (hash && "#" + hash)) wrong.push(["encoded", hash]);
  }
  return wrong.slice(0, 3);
}
"""
UNUSABLE = [
    "block=blocks.9.9",
    "block=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    "pins=blocks.5.0:9999",
    "pins=blocks.5.0:NaN",
    "pins=blocks.5.0:1,blocks.5.0:1",
    "pins=" + ",".join(f"blocks.5.0:{i}" for i in range(7)),
    "pins=blocks.5.0:1@9",
    "pins=blocks.5.0:1@1,blocks.5.0:2@1",
    "pins=blocks.5.0:1e1",
    "signal=energy",
    "scale=",
    "scale",
    "colormap=__proto__",
    "opacity=NaN",
    "opacity=-1",
    "opacity=1.5",
    "opacity=Infinity",
    "view=%3Cscript%3E",
    "sort=constructor",
    "framing=crop",
    "target=-1",
    "target=1000",
    "target=9999999999999999",
    "expected=1e3",
    "off=blocks.5.0",
    "off=blocks.5.0:5-2",
    "off=blocks.5.0:0-999999999",
    "off=blocks.5.0:0-9999;blocks.5.0:0-9999",
    "off=blocks.9.9:1",
    "mode=mean",
    "flat=yes",
    "point=NaN,1",
    "point=99999,99999",
    "point=1",
    "compare=nothing",
    "model=nothing",
    "model=",
    "image=..%2F..%2Fetc%2Fpasswd",
    "step=blocks.5.0:1",
    "step=blocks.5.0:9999:1",
    "__proto__=1",
    "constructor=1",
    "%E0%A4%A=%E0%A4%A",
    "unknown=<b>markup</b>",
    "x" * 10_000,
    "block=" + "x" * 10_000,
]


def hash_of(page):
    return page.evaluate("location.hash.slice(1)")


def wait_for_hash(page, pattern):
    """Waits until the hash, without ``#``, matches a pattern."""
    expect(page).to_have_url(re.compile(rf"/#?{pattern}"))


def goto_hash(page, text):
    """Opens another link in the same tab, as an edit of the address does."""
    page.evaluate("(text) => { location.hash = text; }", text)


def state(page):
    """The part of the store that a link names."""
    return page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          const { VIEW_KEYS } = await sgeModule("state/view-hash.js");
          const view = Object.fromEntries(VIEW_KEYS.filter((key) => key !== "image").map((key) => [key, store.state[key]]));
          return { ...view, current: store.state.current };
        }"""
    )


def test_a_hash_gives_the_same_view_again(open_page):
    assert open_page().page.evaluate(RANDOM_VIEWS, [MODULE, 3000]) == []


def test_the_defaults_are_those_of_the_store(open_page):
    page = open_page().page
    initial, default = page.evaluate(
        """async (module) => {
          const { Store } = await sgeModule("state/store.js");
          const { defaultView, writeHash } = await sgeModule(module);
          const { image, ...view } = defaultView();
          const { state } = new Store();
          const initial = Object.fromEntries(Object.keys(view).map((key) => [key, state[key]]));
          return [initial, { ...view, empty: writeHash(defaultView()) }];
        }""",
        MODULE,
    )
    assert default == initial | {"empty": ""}


def test_the_values_are_those_that_the_page_offers(open_page):
    """A colour map or a sort order that is added to a control must be known to the link as well."""
    page = open_page().page
    offered = page.evaluate(
        """() => [...document.querySelectorAll("sge-controls input[type=radio], sge-group-grid input[type=radio]")].map(
          ({ name, value }) => [name, value])"""
    )
    names = {
        "signal": "signal",
        "scale": "scale",
        "colormap": "colormap",
        "framing": "framing",
        "sort": "sort",
    }
    found = [(names[name], value) for name, value in offered if name in names]
    assert {name for name, _ in found} == set(names)
    views = {"parts", "gradcam", "groups"}
    texts = [
        f"view={value}" if name == "signal" and value in views else f"{name}={value}" for name, value in found
    ]
    problems = page.evaluate(
        "async ([module, text]) => (await sgeModule(module)).readHash(text).problems",
        [MODULE, "&".join(texts)],
    )
    assert problems == []


@pytest.mark.parametrize("text", UNUSABLE, ids=lambda text: text[:40])
def test_what_cannot_be_used_is_ignored_with_a_note(shared_page, text):
    page = shared_page
    before = state(page)
    goto_hash(page, f"colormap=viridis&{text}")
    expect(page.locator("sge-status")).to_contain_text("Ignored in this link")
    assert state(page) == before | {"colormap": "viridis"}
    assert len(page.locator("sge-status").inner_text()) < 400
    wait_for_hash(page, "colormap=viridis$")
    assert page.locator(":is(sge-messages, sge-status) :is(img, b, script)").count() == 0


@pytest.fixture(scope="module")
def shared_page_context(browser, service):
    from tests.browser.conftest import Watched

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    watched = Watched(context, service)
    watched.page.goto(service)
    watched.page.wait_for_selector("sge-group-grid .tile")
    yield watched
    context.close()


@pytest.fixture
def shared_page(shared_page_context):
    """One page for many links, reset to the plain view."""
    page = shared_page_context.page
    goto_hash(page, "")
    wait_for_hash(page, "$")
    page.evaluate("""async () => (await sgeModule("state/store.js")).store.set({ note: null, errors: [] })""")
    settled(page)
    yield page
    shared_page_context.check()


def test_hundreds_of_unusable_keys_give_one_short_note(shared_page):
    goto_hash(shared_page, "&".join(f"key{i}=value" for i in range(500)))
    expect(shared_page.locator("sge-status")).to_contain_text("and 494 more")


@pytest.mark.parametrize("text", UNUSABLE[::8], ids=lambda text: text[:40])
@pytest.mark.slow
def test_a_page_opens_with_what_cannot_be_used(open_page, service, text):
    """Some of the above on a page that is new, which takes seconds for each."""
    page = open_page(before=lambda page: page.add_init_script(f"location.hash = {json.dumps(text)}")).page
    expect(first_label(page)).to_have_text("German shepherd")
    expect(page.locator("sge-status")).to_contain_text("Ignored in this link")


def test_a_link_opens_its_view_in_another_browser(open_page, service):
    """Choose an image, a block, two pins, controls and a point; open the link elsewhere; the same image is drawn."""
    page = open_page().page
    page.locator(".thumb[aria-label^='Giant panda']").click()
    expect(first_label(page)).to_have_text("giant panda")
    page.locator('[data-block="blocks.4.1"]').click()
    for group in (17, 3):
        page.locator(f'sge-group-grid [data-group="{group}"]').click()
    choose(page, "colormap", "viridis")
    choose(page, "scale", "absolute")
    page.locator("input[name=opacity]").fill("0.5")
    page.locator("#image").click(position={"x": 100, "y": 120})
    page.mouse.move(5, 5)
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    wait_for_hash(page, ".*point=")
    seen, link = state(page), page.url
    assert re.search(r"#image=panda&block=blocks\.4\.1&pins=blocks\.4\.1:17,blocks\.4\.1:3&", link)
    other = open_page().page
    other.goto("about:blank")
    other.goto(link)
    expect(other.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    assert state(other) | {"point": None} == seen | {"point": None}
    assert other.url == link
    settled(other)
    assert painted(other) == painted(page)
    other.reload()
    expect(other.locator(".chip")).to_have_count(2)
    assert other.url == link


def test_back_and_forward_step_through_images_and_blocks(open_page):
    page = open_page().page
    page.locator(".thumb[aria-label^='Giant panda']").click()
    expect(first_label(page)).to_have_text("giant panda")
    page.locator('[data-block="blocks.4.1"]').click()
    heading = page.locator("sge-group-grid h2")
    expect(heading).to_contain_text("block 4.1")
    page.locator("input[name=opacity]").fill("0.5")
    wait_for_hash(page, ".*opacity=0.5")
    page.go_back()
    expect(heading).not_to_contain_text("block 4.1")
    expect(first_label(page)).to_have_text("giant panda")
    assert hash_of(page) == "image=panda"
    page.go_back()
    expect(first_label(page)).to_have_text("German shepherd")
    assert hash_of(page) == ""
    page.go_forward()
    page.go_forward()
    expect(first_label(page)).to_have_text("giant panda")
    expect(heading).to_contain_text("block 4.1")
    assert hash_of(page) == "image=panda&block=blocks.4.1&opacity=0.5&view=groups"


def test_back_returns_to_the_first_model_and_its_pins(open_page):
    page = open_page().page
    choose(page, "sort", "number")
    page.locator('[data-block="blocks.5.0"]').click()
    page.locator('sge-group-grid [data-group="3"]').click()
    wait_for_hash(page, ".*pins=blocks.5.0:3")
    page.locator("sge-models > button").click()
    page.locator("[data-model=twin]").click()
    expect(page.locator("sge-models > button")).to_have_text("Twin")
    wait_for_hash(page, "model=twin(&|$)")
    page.go_back()
    expect(page.locator("sge-models > button")).not_to_have_text("Twin")
    expect(page.locator(".chip b")).to_have_text(["5.0·g3"])
    page.go_forward()
    expect(page.locator("sge-models > button")).to_have_text("Twin")
    page.reload()
    expect(page.locator("sge-models > button")).to_have_text("Twin")
    page.evaluate("location.hash = ''")
    expect(page.locator("sge-models > button")).not_to_have_text("Twin")
    wait_for_hash(page, "$")


def test_own_images_stay_in_their_tab(open_page):
    """Back returns to an own image. Elsewhere its link applies the settings to the sample and says so."""
    page = open_page().page
    drop(page, photo("panda", "one.jpg"), photo("koala", "two.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    choose(page, "colormap", "viridis")
    wait_for_hash(page, "image=own&colormap=viridis$")
    page.locator(".thumb[aria-label^='two.jpg']").click()
    expect(first_label(page)).to_have_text("koala")
    page.go_back()
    expect(first_label(page)).to_have_text("giant panda")
    page.go_forward()
    expect(first_label(page)).to_have_text("koala")
    link = page.url
    other = open_page().page
    other.goto("about:blank")
    other.goto(link)
    expect(first_label(other)).to_have_text("German shepherd")
    expect(other.locator("sge-status")).to_contain_text(
        "This link was made with an own image, which it does not contain; its settings are applied to the sample."
    )
    assert state(other)["colormap"] == "viridis"
    assert hash_of(other) == "colormap=viridis"


def test_a_link_with_centre_framing_and_a_comparison(open_page, service):
    page = open_page().page
    page.goto("about:blank")
    page.goto(f"{service}/#image=koala&framing=center&compare=twin")
    expect(page.locator("sge-compare .predictions .label").first).to_have_text("koala")
    expect(page.locator("[data-block]").first).to_have_attribute("aria-label", re.compile("56.56 cells"))
    page.keyboard.press("Escape")
    expect(page.locator("sge-compare")).to_be_empty()
    wait_for_hash(page, "image=koala&framing=center$")
    page.go_back()
    expect(page.locator("sge-compare .predictions .label").first).to_have_text("koala")
