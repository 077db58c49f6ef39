// A segmented control made of radio buttons, which keyboards and screen readers support without further code.

import { make } from "../dom.js";

/**
 * A group of radio buttons named `name` under a visible heading. Its `value` can be set, and choices can be hidden or disabled.
 *
 * @param choices `[value, face, hint]`; the face is a word or an element
 * @param onChange is called with the chosen value
 */
export function segments(name, heading, choices, onChange) {
  const inputs = choices.map(([value, , hint]) =>
    make("input", { type: "radio", name, value, class: "visually-hidden", "aria-label": hint, onchange: () => onChange(value) }),
  );
  const labels = choices.map(([, face, hint], i) => make("label", { title: hint }, inputs[i], make("span", {}, face)));
  const buttons = make("div", { class: "segments" }, ...labels);
  const root = make("div", { class: "field", role: "radiogroup", "aria-labelledby": `${name}-heading` }, make("span", { class: "heading", id: `${name}-heading` }, heading), buttons);
  return {
    root,
    buttons,
    set value(value) {
      inputs.forEach((input) => (input.checked = input.value === value));
    },
    /** Shows or hides a choice, and disables it if there is a `reason` why it is not available. */
    offer(value, isShown, reason = null) {
      const index = choices.findIndex(([choice]) => choice === value);
      const hint = reason ?? choices[index][2];
      labels[index].hidden = !isShown;
      labels[index].title = hint;
      inputs[index].disabled = !isShown || reason !== null;
      inputs[index].setAttribute("aria-label", hint);
    },
  };
}
