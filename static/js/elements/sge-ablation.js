// What is switched off, with Undo, Reset and "Only these"; and for networks whose gates act, the switch that flattens masks.

import { make } from "../dom.js";
import { percent, range } from "../format.js";
import { hasGroups, retry } from "../state/effect.js";
import { labelOf } from "../state/effect-order.js";
import { store } from "../state/store.js";
import { canUndo, describeOff, isAnythingOff, reset, setFlattened, setOnly, undo } from "../state/switched-off.js";
import { floating } from "./floating.js";
import { segments } from "./segments.js";
import { StoreElement } from "./store-element.js";

const ATTENTION = [
  ["on", "SGE on", "The network as it is, with its masks"],
  ["flat", "Masks flattened", "Every mask replaced by its mean over the image: what the spatial attention adds"],
];
const ACTING = new Set(["tuned", "trained"]);
const HINT = "Switch groups off: does the answer depend on them?";

class AblationStrip extends StoreElement {
  static keys = ["images", "current", "off", "offMode", "flattened", "ablation"];

  build() {
    const button = (label, title, onclick) => make("button", { type: "button", class: "plain", title, onclick }, label);
    this.attention = segments(`attention${this.store.suffix}`, "Attention", ATTENTION, (value) => setFlattened(this.store, value === "flat"));
    this.attention.root.classList.add("inline");
    this.words = make("p", { class: "off-words" });
    this.undo = button("Undo", "Undo the last change (Ctrl+Z)", () => undo(this.store));
    this.reset = button("Reset", "Switch everything on", () => reset(this.store));
    this.only = make("button", { type: "button", class: "plain", title: "Keep these groups and remove the other groups of their blocks", onclick: () => setOnly(this.store, this.store.state.offMode !== "only") }, "Only these");
    this.retry = button("Retry", "Ask the service again", () => retry(this.store));
    this.status = make("p", { class: "visually-hidden", role: "status" });
    this.outcome = make("p", { class: "off-outcome" });
    this.strip = make("div", { class: "off-strip", "data-testid": "off" }, this.words, this.outcome, make("span", { class: "off-actions" }, this.retry, this.only, this.undo, this.reset));
    this.replaceChildren(
      this.attention.root,
      make("div", { class: "strip-home" }, this.strip),
      this.status,
    );
    if (this.store !== store) return;
    addEventListener("keydown", undoByKey);
    this.floating = floating(this.strip, this.closest("sge-predictions").querySelector(".predictions"), () => isAnythingOff(this.store));
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    if (this.store !== store) return;
    removeEventListener("keydown", undoByKey);
    this.floating.stop();
  }

  draw() {
    const { image } = this.store;
    if (!image) return;
    const { offline, flattened, offMode, ablation } = this.store.state;
    const off = isAnythingOff(this.store);
    this.hidden = !hasGroups(image) || (offline && !off);
    if (this.hidden) return;
    this.attention.root.hidden = offline || !ACTING.has(image.analysis.model.gates);
    this.attention.value = flattened ? "flat" : "on";
    this.classList.toggle("off", off);
    this.setAttribute("aria-busy", String(ablation.status === "waiting"));
    this.write(off, ablation);
    this.only.hidden = offline || !off || flattened;
    this.only.setAttribute("aria-pressed", String(offMode === "only"));
    this.undo.hidden = offline || !canUndo(this.store);
    this.reset.hidden = offline || !off;
    this.retry.hidden = ablation.status !== "failed";
    this.writeOutcome(off, ablation);
    this.announce(off, ablation);
    this.floating?.update();
  }

  /** The target's probability before and after, for where the list of classes is scrolled away. */
  writeOutcome(off, { result }) {
    const target = off && result?.classes.find(({ index }) => index === this.store.target);
    this.outcome.replaceChildren(...(target ? [make("b", {}, labelOf(this.store, target.index)), ` ${percent(target.before)} \u2192 ${percent(target.after)}`] : []));
  }

  write(off, { status, error }) {
    if (!off) return this.words.replaceChildren(HINT);
    const { head, list } = describeOff(this.store);
    this.words.title = `${head}: ${list}`;
    this.words.classList.toggle("failed", status === "failed");
    if (status === "failed") this.words.replaceChildren(make("b", {}, head), ` ${error}`);
    else this.words.replaceChildren(make("b", {}, head), `: ${list}`);
  }

  /** Says the result to screen readers, once for each answer; an answer after a failure has the same key. */
  announce(off, { status, result, key, error }) {
    const said = `${status} ${key}`;
    if (status === "waiting" || said === this.said) return;
    this.said = said;
    this.status.textContent = status === "failed" ? error : off && result ? this.sentence(result) : "";
  }

  sentence({ classes }) {
    const target = classes.find(({ index }) => index === this.store.target);
    if (!target) return "";
    const { head, list } = describeOff(this.store);
    const random = target.controls?.values?.length > 0 ? ` With random groups: ${range(target.controls.lo, target.controls.hi)}.` : "";
    return `${head}, ${list}: ${labelOf(this.store, target.index)} ${percent(target.after)}, before ${percent(target.before)}.${random}`;
  }
}

function undoByKey(event) {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
  if (!isUndo || event.target.closest?.("input:not([type=radio], [type=range]), textarea") || store.state.offline) return;
  if (!canUndo(store)) return;
  event.preventDefault();
  undo(store);
}

customElements.define("sge-ablation", AblationStrip);
