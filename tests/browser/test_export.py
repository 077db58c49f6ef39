"""What is exported carries the view: the code for the same request, the link, the report, the image."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.actions import drop, first_label, painted, photo, save, settled
from tests.browser.conftest import SAMPLES, Watched

pytestmark = pytest.mark.browser
OFF = "blocks.5.0:20,26,36"
VIEW = f"block=blocks.5.0&pins=blocks.5.0:20,blocks.5.3:15&colormap=viridis&off={OFF}"
TIMEOUT_S = 300


def open_code(page):
    page.get_by_role("button", name="Code", exact=True).click()
    return page.get_by_role("dialog", name="The same request")


def open_view(open_page, service, view):
    page = open_page().page
    page.goto("about:blank")
    page.goto(f"{service}/#{view}")
    expect(first_label(page)).to_be_visible()
    return page


def test_the_code_is_in_tabs(open_page):
    page = open_page().page
    dialog = open_code(page)
    curl, python = dialog.get_by_role("tab", name="curl"), dialog.get_by_role("tab", name="Python")
    expect(curl).to_have_attribute("aria-selected", "true")
    expect(dialog.get_by_test_id("curl")).to_be_visible()
    expect(dialog.get_by_test_id("python")).to_be_hidden()
    curl.focus()
    page.keyboard.press("ArrowRight")
    expect(python).to_be_focused()
    expect(python).to_have_attribute("aria-selected", "true")
    expect(dialog.get_by_test_id("python")).to_be_visible()
    expect(dialog.get_by_role("tabpanel")).to_have_attribute("aria-labelledby", "code-tab-python")
    page.keyboard.press("ArrowRight")
    expect(curl).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_code_follows_the_view(open_page, service):
    page = open_view(open_page, service, "")
    curl = page.get_by_test_id("curl")
    expect(curl).to_have_text(
        f"curl -F 'image=@\"shepherd.jpg\"' '{service}/api/v1/analyze?framing=whole&target=predicted&top_k=5'"
    )
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          const off = [{ block: "blocks.5.0", group: 20 }, { block: "blocks.5.3", group: 1 }];
          store.set({ target: 151, expected: 207, off, offMode: "only" });
        }"""
    )
    expect(curl).to_contain_text("/api/v1/analyze?framing=whole&target=151&top_k=5")
    expect(curl).to_contain_text(
        "/api/v1/ablate?framing=whole&groups=blocks.5.0:20;blocks.5.3:1&mode=only&controls=10&seed=0"
        "&top_k=5&target=151&target=207"
    )


@pytest.mark.parametrize("name", ["my panda.jpg", 'it\'s "quoted" $(x) `y` \\.jpg', "-o.jpg", "ü–\u65e5.jpg"])
def test_the_code_works_for_any_file_name(open_page, tmp_path, name):
    """The command is parsed by a shell and the program by Python; both name the file."""
    page = open_page().page
    texts = page.evaluate(
        """async (name) => {
          const { curlText, pythonText } = await sgeModule("state/service-requests.js");
          const { store } = await sgeModule("state/store.js");
          return [curlText(name, store), pythonText(name, store)];
        }""",
        name,
    )
    printed = subprocess.run(
        ["bash", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}; {texts[0]}"], capture_output=True, check=True
    )
    _, field, address, _ = printed.stdout.decode().split("\0")
    assert field == 'image=@"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert address.startswith("http://127.0.0.1:")
    program = re.sub(r"\nanalysis = .*", "", texts[1], flags=re.S)
    (tmp_path / name).write_bytes(b"content")
    subprocess.run(
        [sys.executable, "-c", f"{program}\nassert image == b'content'"], cwd=tmp_path, check=True, timeout=60
    )


def test_the_program_prints_what_the_page_shows(open_page, service, tmp_path):
    page = open_view(open_page, service, VIEW)
    expect(page.locator("sge-predictions.waiting")).to_have_count(0)
    expect(page.locator(".predictions .change").first).not_to_be_empty()
    shown = page.locator(".predictions .percent").first.inner_text()
    (tmp_path / "shepherd.jpg").write_bytes((SAMPLES / "shepherd.jpg").read_bytes())
    program = page.get_by_test_id("python").text_content()
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
        timeout=TIMEOUT_S,
    ).stdout
    lines = printed.splitlines()
    assert lines[0].startswith("German shepherd 0.9")
    (after,) = [line for line in lines if line.startswith("German shepherd") and "->" in line]
    value = 100 * float(after.split("->")[1])
    assert abs(value - float(shown.split()[0])) <= 0.5


def test_the_report_opens_with_the_view(open_page, service, browser, tmp_path):
    page = open_view(open_page, service, VIEW)
    expect(page.locator(".chip")).to_have_count(2)
    expect(page.locator(".predictions .change").first).not_to_be_empty()
    path = save(page, "html", tmp_path)
    record = json.loads(
        re.search(r'<script type="application/json" id="analysis">(.*?)</script>', path.read_text(), re.S)[1]
    )
    assert record["view"] == VIEW
    assert record["ablation"]["groups"] == {"blocks.5.0": [20, 26, 36]}
    context = browser.new_context(offline=True)
    report = Watched(context, "none")
    report.page.goto(path.as_uri())
    expect(report.page.locator(".chip b")).to_have_text(["5.0·g20", "5.3·g15"])
    expect(report.page.get_by_role("radio", name="viridis")).to_be_checked()
    expect(report.page.get_by_test_id("off")).to_contain_text("3 groups off")
    shown = page.locator(".predictions .percent").first.inner_text()
    expect(report.page.locator(".predictions .percent").first).to_have_text(shown)
    report.check()
    context.close()


def test_a_hostile_view_in_a_report_is_ignored(browser, tmp_path):
    """The view of a report is data of a file: markup and unknown groups in it change nothing."""
    from sge.analysis.report import html_report
    from tests.analyses import made

    path = tmp_path / "report.html"
    path.write_text(html_report(made(), view="pins=</script><img src=x>:9999&block=%3Cb%3E&opacity=NaN&x"))
    context = browser.new_context(offline=True)
    report = Watched(context, "none")
    report.page.goto(path.as_uri())
    expect(first_label(report.page)).to_be_visible()
    expect(report.page.locator(".chip")).to_have_count(0)
    report.check()
    context.close()


def test_the_saved_image_shows_what_is_off(open_page, service, tmp_path):
    """What is off and the changed classes need a line more than the same view with everything on."""
    page = open_view(open_page, service, VIEW)
    expect(page.locator(".predictions .change").first).not_to_be_empty()
    without = Image.open(save(page, "png", tmp_path)).convert("RGB")
    page.evaluate("async () => (await sgeModule('state/store.js')).store.set({ off: [] })")
    expect(page.locator(".predictions .change:not(:empty)").filter(has_not_text="raw")).to_have_count(0)
    settled(page)
    with_all = Image.open(save(page, "png", tmp_path)).convert("RGB")
    assert without.width == with_all.width
    assert without.height > with_all.height


def test_the_link_is_copied(open_page, service):
    page = open_view(open_page, service, "block=blocks.4.1")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("sge-status")).to_contain_text("The link was copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"{service}/#block=blocks.4.1"


def test_the_link_of_an_own_image_says_that_it_does_not_contain_it(open_page):
    page = open_page().page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    before = painted(page)
    drop(page, photo("panda", "one.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    assert painted(page) != before
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("sge-status")).to_contain_text("It does not contain your image")
    assert page.evaluate("navigator.clipboard.readText()").endswith("#image=own")
