// A text field with a list of choices below it, after the combobox pattern of the ARIA practices: typing narrows the list,
// arrow keys move in it, Enter chooses, Escape closes it.

import { make } from "../dom.js";

let serial = 0;

/** How well a choice matches the text: 0 it starts a name, 1 it starts a word, 2 it is inside, or -1. */
function rank(names, text) {
  if (names.some((name) => name.startsWith(text))) return 0;
  if (names.some((name) => name.split(/[\s-]+/).some((word) => word.startsWith(text)))) return 1;
  return names.some((name) => name.includes(text)) ? 2 : -1;
}

/** The choices that match, the best first. Each of the comma-separated names of a label can match. */
export function matching(choices, text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return choices;
  return choices
    .map((choice) => ({ choice, at: rank(choice.label.toLowerCase().split(/\s*,\s*/), wanted) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)
    .map(({ choice }) => choice);
}

export class Combobox {
  /**
   * @param label the visible name of the field
   * @param load resolves to the choices, `{label, index}`; called when the list is first opened
   * @param onChoose is called with the index of a choice, or with null when the field is cleared
   */
  constructor({ label, placeholder, load, onChoose, attributes = {} }) {
    serial += 1;
    Object.assign(this, { load, onChoose, shown: "", found: [], active: -1 });
    const id = `choices${serial}`;
    this.list = make("ul", { id, role: "listbox", class: "choices", popover: "manual", "aria-label": label, onpointerdown: (event) => event.preventDefault(), onclick: (event) => this.chooseItem(event.target.closest("li")) });
    this.input = make("input", {
      type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder, "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": id, ...attributes,
      onfocus: () => this.input.select(), onclick: () => this.open(), oninput: () => this.open(this.input.value), onblur: () => this.close(), onkeydown: (event) => this.handleKey(event),
    });
    this.clear = make("button", { type: "button", class: "clear", hidden: true, "aria-label": `Clear: ${label}`, onclick: () => this.onChoose(null) }, "\u00d7");
    this.root = make("div", { class: "combo" }, make("label", {}, make("span", {}, label), this.input), this.clear, this.list);
  }

  /** The chosen label, or "" for none. `canClear` shows the button that removes the choice. */
  set(text, canClear) {
    this.shown = text;
    this.clear.hidden = !canClear;
    if (!this.isOpen) this.input.value = text;
  }

  get isOpen() {
    return this.list.matches(":popover-open");
  }

  /** Shows the choices that match the text. A later call, or closing the list, makes an earlier one void. */
  open(text = "") {
    if (!this.isOpen) this.show();
    this.filling = this.fill(text);
  }

  async fill(text) {
    const own = (this.turn = Symbol("turn"));
    const isVoid = () => this.turn !== own || !this.isOpen;
    try {
      const choices = await this.load();
      if (isVoid()) return;
      this.found = matching(choices, text);
      this.items(this.found.map(({ label }, i) => make("li", { role: "option", id: `${this.list.id}-${i}`, "data-at": i, "aria-selected": "false" }, label)));
      if (this.found.length === 0) this.items([make("li", { class: "quiet", role: "option", "aria-disabled": "true" }, choices.length > 0 ? "No class has this name." : "This model has no labels.")]);
      this.activate(text && this.found.length > 0 ? 0 : this.found.findIndex(({ label }) => label === this.shown));
    } catch (error) {
      if (isVoid()) return;
      this.items([make("li", { class: "quiet", role: "option", "aria-disabled": "true" }, error.message)]);
    }
  }

  items(items) {
    this.list.replaceChildren(...items);
  }

  show() {
    this.place();
    this.list.showPopover();
    this.input.setAttribute("aria-expanded", "true");
    this.moves = new AbortController();
    const options = { capture: true, passive: true, signal: this.moves.signal };
    // The field moves when the page scrolls, or when the keyboard of a phone comes up.
    addEventListener("scroll", ({ target }) => target !== this.list && this.place(), options);
    addEventListener("resize", () => this.place(), options);
  }

  /** Puts the list below the field, or above it where there is more room. */
  place() {
    const { left, top, bottom, width } = this.input.getBoundingClientRect();
    const isAbove = innerHeight - bottom < 180 && top > innerHeight - bottom;
    Object.assign(this.list.style, {
      left: `${left}px`,
      minWidth: `${width}px`,
      top: isAbove ? "auto" : `${bottom + 4}px`,
      bottom: isAbove ? `${innerHeight - top + 4}px` : "auto",
      maxHeight: `${Math.min(320, (isAbove ? top : innerHeight - bottom) - 12)}px`,
    });
  }

  close() {
    if (this.isOpen) this.list.hidePopover();
    this.moves?.abort();
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.input.value = this.shown;
  }

  activate(at) {
    this.active = at;
    for (const item of this.list.children) item.setAttribute("aria-selected", String(Number(item.dataset.at) === at));
    const item = this.list.children[at];
    if (!item) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  /** Chooses the active item. While the choices still load, Enter waits for them, unless the text changes meanwhile. */
  async chooseActive() {
    const { filling } = this;
    await filling;
    if (this.isOpen && this.filling === filling) this.chooseItem(this.list.children[this.active]);
  }

  chooseItem(item) {
    const choice = this.found[item?.dataset.at];
    if (!choice) return;
    this.close();
    this.onChoose(choice.index);
  }

  /** No key of the field reaches the shortcuts of the page, except Escape while the list is closed. */
  handleKey(event) {
    const last = this.found.length - 1;
    const moves = { ArrowDown: Math.min(last, this.active + 1), ArrowUp: Math.max(0, this.active - 1), PageDown: Math.min(last, this.active + 8), PageUp: Math.max(0, this.active - 8) };
    if (event.key === "Escape" && !this.isOpen) return;
    event.stopPropagation();
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter") this.isOpen ? this.chooseActive() : this.open();
    else if (event.key in moves) this.isOpen ? this.activate(moves[event.key]) : this.open();
    else return;
    event.preventDefault();
  }
}
