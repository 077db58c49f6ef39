// The page: its elements, and the sample that is open from the start.

import "./sge-compare.js";
import "./sge-controls.js";
import "./sge-credit.js";
import "./sge-intake.js";
import "./sge-ladder.js";
import "./sge-legend.js";
import "./sge-messages.js";
import "./sge-models.js";
import "./sge-nameplate.js";
import "./sge-picture.js";
import "./sge-predictions.js";
import "./sge-ranking.js";
import "./sge-strip.js";
import "./sge-takeaway.js";
import "./sge-wall.js";
import { followKeys } from "./keys.js";
import { listSamples, want } from "./pictures.js";
import { store } from "./store.js";

followKeys();
store.addEventListener("change", ({ detail }) => {
  if (detail.has("model")) changeModel();
  if (store.picture && (detail.has("framing") || detail.has("model"))) want(store.state.current);
});

let pinsOwner = null;

/** Blocks and pins belong to a model; another one begins with its own. */
function changeModel() {
  pinsOwner ??= store.picture?.analysis.model.name ?? null;
  if (pinsOwner) store.keepPins(pinsOwner, store.state.pins);
  pinsOwner = store.state.model;
  store.set({ signal: null, block: null, hover: null });
  store.setPins(store.pinsOf(store.state.model));
}

const samples = JSON.parse(document.querySelector("sge-strip").getAttribute("samples"));
listSamples(samples);
want(samples[0].id);
