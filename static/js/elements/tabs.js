// Tabs: one tab stop, arrow keys choose, and each tab names the panel that it shows.

import { make } from "../dom.js";

/**
 * @param id a prefix for ids that are unique in the document
 * @param choices `[key, label, panel]` for each tab
 */
export function tabs(id, legend, choices) {
  const buttons = choices.map(([key, label]) =>
    make("button", { type: "button", role: "tab", id: `${id}-tab-${key}`, "aria-controls": `${id}-${key}`, "data-tab": key, onclick: () => choose(key) }, label),
  );
  const panels = choices.map(([key, , panel]) => make("div", { role: "tabpanel", id: `${id}-${key}`, "aria-labelledby": `${id}-tab-${key}` }, panel));
  const list = make("div", { role: "tablist", class: "tabs", "aria-label": legend }, ...buttons);
  let chosen = choices[0][0];
  list.addEventListener("keydown", (event) => {
    const index = choices.findIndex(([key]) => key === chosen);
    const targets = { ArrowRight: index + 1, ArrowLeft: index - 1 + choices.length, Home: 0, End: choices.length - 1 };
    if (!(event.key in targets) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const next = targets[event.key] % choices.length;
    choose(choices[next][0]);
    buttons[next].focus();
  });
  function choose(key) {
    chosen = key;
    choices.forEach(([each], i) => {
      buttons[i].setAttribute("aria-selected", String(each === key));
      buttons[i].tabIndex = each === key ? 0 : -1;
      panels[i].hidden = each !== key;
    });
  }
  choose(chosen);
  return {
    list,
    panels,
    get chosen() {
      return chosen;
    },
  };
}
