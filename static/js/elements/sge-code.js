// The request for what the page shows, as a shell command and as a Python program.

import { make } from "../dom.js";
import { curlText, pythonText } from "../state/service-requests.js";
import { store } from "../state/store.js";
import { copyText } from "./clipboard.js";
import { StoreElement } from "./store-element.js";
import { tabs } from "./tabs.js";

class Code extends StoreElement {
  static keys = ["images", "current", "framing", "partsBy", "model", "target", "expected", "off", "offMode", "flattened"];

  build() {
    const box = (key, label) => make("pre", { "data-testid": key, tabindex: "0", "aria-label": label });
    this.boxes = { curl: box("curl", "Shell command for the same request"), python: box("python", "Python program for the same request") };
    this.tabs = tabs("code", "Language", [["curl", "curl", this.boxes.curl], ["python", "Python", this.boxes.python]]);
    const copy = make("button", { type: "button", "data-copy": "code", onclick: () => copyText(this.boxes[this.tabs.chosen].textContent, "The code", this.boxes[this.tabs.chosen]) }, "Copy code");
    this.popup = make("div", { id: "code", class: "code", popover: true, role: "dialog", "aria-labelledby": "code-heading" },
      make("div", { class: "code-head" }, make("h2", { id: "code-heading" }, "The same request"), this.tabs.list, copy),
      ...this.tabs.panels,
      make("p", { class: "quiet" }, "What the page has asked the service for. Nothing else is needed: curl, or Python without packages."),
    );
    const open = make("button", { type: "button", popovertarget: "code", "aria-haspopup": "dialog", title: "The same request with curl or Python" }, "Code");
    this.replaceChildren(open, this.popup);
  }

  draw() {
    if (!store.image) return;
    const { name } = store.image;
    this.boxes.curl.textContent = curlText(name, store);
    this.boxes.python.textContent = pythonText(name, store);
  }
}

customElements.define("sge-code", Code);
