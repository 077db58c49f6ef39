// A segmented control made of radio buttons, which keyboards and screen readers support without further code.

import { make } from "../dom.js";

/**
 * A fieldset of radio buttons named `name`. Its `value` can be set, and choices can be hidden or disabled.
 *
 * @param choices `[value, face, hint]`; the face is a word or an element
 * @param onChange is called with the chosen value
 */
export function segments(name, legend, choices, onChange) {
  const inputs = choices.map(([value, , hint]) =>
    make("input", { type: "radio", name, value, class: "visually-hidden", "aria-label": hint, onchange: () => onChange(value) }),
  );
  const labels = choices.map(([, face, hint], i) => make("label", { title: hint }, inputs[i], make("span", {}, face)));
  const root = make("fieldset", { class: "segments" }, make("legend", { class: "visually-hidden" }, legend), ...labels);
  return {
    root,
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
