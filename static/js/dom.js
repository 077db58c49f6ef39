// Making elements without markup in strings: labels come from files and must never become markup.

/** `make("button", {class: "x", onclick: f}, child, "text")` */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** A number for people: two decimals, a real minus sign. */
export function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "\u2212");
}

/** `layer3.5/g17`, as everywhere. */
export function groupName({ block, group }) {
  return `${block}/g${group}`;
}

/** A share as people say it: whole percent where there are tens of them. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** `blocks.5.3` as the ladder's short `5.3`. */
export function shortName(block) {
  return block.replace(/^(blocks\.|layer|features\.)/, "");
}
