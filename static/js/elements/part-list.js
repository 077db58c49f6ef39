// The parts in the legend: a button for each part, by face where there are several, and what they were found by.

import { make } from "../dom.js";
import { percent } from "../format.js";
import { hasGroups } from "../state/effect.js";
import { faceOf, facesOf, FINDER_NAMES, finderInWords, foundBy, hasChoice, hasUnsure, isSure, kindOf, partInWords, partName } from "../state/parts.js";
import { store as first } from "../state/store.js";
import { groupsOfPart, toggleOff, withoutWords } from "../state/switched-off.js";
import { partDot } from "./part-dot.js";

/** The parts that were found, with their confidences; hovering or focusing one emphasizes its face in the image. */
export function partList(store) {
  const faces = facesOf(store.image.analysis);
  const rows = faces.map(({ face, parts }) => {
    const buttons = parts.map((part) => partButton(store, part, faces.length));
    if (faces.length === 1) return buttons.map((button) => make("li", {}, button));
    const name = `Face ${face + 1}`;
    return [make("li", { class: "face", "data-face": face }, make("span", { class: "face-name" }, make("span", { class: "in-full" }, "Face "), face + 1), make("ul", { "aria-label": name }, ...buttons.map((button) => make("li", {}, button))))];
  });
  return make("ul", { class: faces.length > 1 ? "parts several" : "parts", "aria-label": "Parts that were found, with their confidences" }, ...rows.flat());
}

function partButton(store, part, faces) {
  const face = faceOf(part);
  const mark = () => store.set({ markedFace: face });
  const clear = () => store.set({ markedFace: null });
  const text = [make("b", {}, partName(part)), ` ${percent(part.score)}`, isSure(part) ? null : make("em", { class: "in-full" }, " unsure")];
  // The name begins with the visible text, so that speech input finds the part by what it shows.
  const words = `${partName(part)} ${percent(part.score)}${isSure(part) ? "" : " unsure"}: ${partInWords(part, faces)}`;
  return make(
    "button",
    {
      type: "button",
      class: "part",
      "data-face": face,
      "data-focus": `part ${face} ${part.name}`,
      "aria-label": words,
      title: document.querySelector("sge-group-grid") ? `${partInWords(part, faces)}. Click: the groups that find it` : partInWords(part, faces),
      onpointerenter: mark,
      onpointerleave: clear,
      onfocus: mark,
      onblur: clear,
      onclick: () => store.set({ sort: "parts" }),
    },
    partDot(kindOf(part), isSure(part)),
    make("span", {}, ...text),
  );
}

/** Marks in the list the parts of the emphasized face, and scrolls to them if the face was pointed at in the image. */
export function markFace(root, { state: { markedFace, pointer } }) {
  for (const each of root.querySelectorAll("[data-face]")) each.classList.toggle("marked", markedFace !== null && each.dataset.face === String(markedFace));
  const row = root.querySelector(".face.marked");
  if (row && pointer) row.parentElement.scrollTop = row.offsetTop - row.parentElement.offsetTop;
}

/** Beside the list: the buttons that switch off the groups of each part, the meaning of a dashed ring, and what the parts were found by. */
export function partsAside(store) {
  const { analysis } = store.image;
  const kinds = [...new Set(analysis.parts.map(kindOf))].filter((kind) => analysis.part_maps[kind]);
  const canSwitch = !store.state.offline && hasGroups(store.image);
  const powers = canSwitch ? kinds.map((kind) => make("span", { class: "part-power" }, partDot(kind), withoutPart(store, kind))) : [];
  const unsure = hasUnsure(analysis) ? make("span", { class: "unsure-key" }, make("i", { class: "part-dot unsure", "aria-hidden": "true" }), make("span", {}, make("span", { class: "in-full" }, "dashed: "), "unsure")) : null;
  const faces = facesOf(analysis).length;
  // Not all of them fit into the list without scrolling.
  const count = faces > 1 ? make("span", { class: "in-full" }, `${faces} faces`) : null;
  return [count, ...powers, unsure, finderChoice(store)];
}

/** The button that switches off every group that is listed for a part, or switches them on again. */
function withoutPart(store, kind) {
  const groups = groupsOfPart(store.image.analysis, kind);
  const words = withoutWords(store, kind);
  return make("button", { type: "button", class: words.startsWith("With ") ? "power pressed" : "power", "aria-label": words, title: words, "data-without": kind, "data-focus": `without ${kind}`, onclick: () => toggleOff(store, groups) });
}

/** What the parts were found by, in words; where the model has both finders and there is a service, as a choice. */
export function finderChoice(store) {
  const { analysis } = store.image;
  const title = finderInWords(analysis);
  if (store.state.offline || !hasChoice(analysis)) return make("span", { class: "found-by", title }, `Parts by ${FINDER_NAMES[foundBy(analysis)]}`);
  const options = Object.entries(FINDER_NAMES).map(([value, name]) => make("option", { value, selected: value === first.state.partsBy }, name));
  const select = make("select", { name: `parts-by${store.suffix}`, "data-focus": "parts by", onchange: () => first.set({ partsBy: select.value }) }, ...options);
  return make("label", { class: "found-by", title }, make("span", { class: "in-full" }, "Parts by "), select);
}
