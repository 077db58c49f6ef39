"""The report in a frame, as a notebook shows it, and the element of ``sge.widget``."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import expect

from sge.analysis import embedded_report
from tests.analyses import made
from tests.browser.conftest import ROOT, SAMPLES, Watched

pytestmark = pytest.mark.browser
ESM = ROOT / "sge" / "lens" / "lens_widget.js"
KERNEL = """
async (source) => {
  // The element's half of a kernel: values, listeners, and what was sent.
  window.values = {title: "Made up", framing: "whole", framings: ["whole", "center"], report: "", blocks: [], effects: [],
    message: ""};
  window.sent = [];
  const listeners = {};
  const emit = (name, ...given) => (listeners[name] ?? []).forEach((call) => call(...given));
  window.assign = (changes) => {
    Object.assign(values, changes);
    Object.keys(changes).forEach((name) => emit(`change:${name}`));
  };
  window.answer = () => emit("msg:custom", {kind: "answered"});
  const model = {
    get: (name) => values[name],
    on: (name, call) => (listeners[name] ??= []).push(call),
    off: (name, call) => (listeners[name] = listeners[name].filter((one) => one !== call)),
    send: (content, _callbacks, buffers = []) => sent.push([content, buffers.map((one) => one.byteLength)]),
  };
  const { default: widget } = await import(`data:text/javascript;base64,${source}`);
  window.end = widget.render({ model, el: document.body });
  window.listening = () => Object.values(listeners).flat().length;
}
"""


@pytest.fixture
def watched(browser):
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    found = Watched(context, "none")
    found.page.set_content("<!doctype html><html lang='en'><title>Notebook</title><body>")
    yield found
    context.close()
    found.check()


def test_the_frame_shows_the_report_without_reaching_the_notebook(watched):
    page = watched.page
    page.evaluate("(html) => document.body.innerHTML = html", embedded_report(made()))
    frame = page.frame_locator("iframe")
    expect(frame.locator("sge-group-grid .tile").first).to_be_visible()
    expect(frame.locator("sge-predictions")).to_contain_text("tabby </script>")
    frame.locator("sge-group-grid .tile").first.click()
    inner = page.frames[1]
    assert (
        inner.evaluate("() => { try { return String(parent.document) } catch { return 'refused' } }")
        == "refused"
    )


def test_the_element_sends_choices_and_shows_answers(watched):
    page = watched.page
    page.evaluate(KERNEL, base64.b64encode(ESM.read_bytes()).decode())
    status = page.get_by_role("status")
    expect(page.get_by_role("button", name="Measure the effect")).to_be_hidden()
    photo = next(SAMPLES.glob("*.jpg"))
    page.get_by_label("Image").set_input_files(photo)
    page.wait_for_function("() => sent.length === 1")
    assert page.evaluate("() => sent.pop()") == [
        {"kind": "image", "name": photo.name},
        [photo.stat().st_size],
    ]
    expect(status).to_have_text(f"Analysing {photo.name} …")
    page.evaluate("(report) => assign({report, blocks: ['layer1.0', 'layer2.0']})", embedded_report(made()))
    expect(status).to_be_empty()
    expect(page.frame_locator("iframe").locator("sge-group-grid .tile").first).to_be_visible()
    page.get_by_label("Groups to switch off").fill("layer2.0:1")
    page.get_by_role("button", name="Measure the effect").click()
    assert page.evaluate("() => sent.pop()") == [{"kind": "ablate", "groups": "layer2.0:1"}, []]
    page.evaluate("() => assign({effects: [['<b>dog</b>', 0.75, 0.5, null]]})")
    expect(page.get_by_role("row").nth(1)).to_have_text("<b>dog</b>75.0 %50.0 %")
    page.get_by_label("Framing").select_option("center")
    assert page.evaluate("() => sent.pop()") == [{"kind": "framing", "framing": "center"}, []]
    page.evaluate("() => { values.message = 'No block x.'; answer(); }")
    expect(status).to_have_text("No block x.")
    page.evaluate("() => end()")
    assert page.evaluate("() => listening()") == 0
