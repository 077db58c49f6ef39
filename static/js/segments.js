// A few choices side by side: radio buttons, so that keyboard and screen reader know them already.

import { make } from "./dom.js";

/**
 * A fieldset named `name`; its `value` can be set, and a choice can be taken away.
 *
 * @param choices `[value, face, hint]`: the face is a word or an element
 */
export function segments(name, legend, choices, change) {
  const inputs = choices.map(([value, , hint]) =>
    make("input", { type: "radio", name, value, class: "visually-hidden", "aria-label": hint, onchange: () => change(value) }),
  );
  const labels = choices.map(([, face, hint], i) => make("label", { title: hint }, inputs[i], make("span", {}, face)));
  const root = make("fieldset", { class: "segments" }, make("legend", { class: "visually-hidden" }, legend), ...labels);
  return {
    root,
    set value(value) {
      inputs.forEach((input) => (input.checked = input.value === value));
    },
    /** Whether a choice is there at all, and if it is, the reason why it cannot be made just now. */
    offer(value, there, reason = null) {
      const at = choices.findIndex(([one]) => one === value);
      const hint = reason ?? choices[at][2];
      labels[at].hidden = !there;
      labels[at].title = hint;
      inputs[at].disabled = !there || reason !== null;
      inputs[at].setAttribute("aria-label", hint);
    },
  };
}
