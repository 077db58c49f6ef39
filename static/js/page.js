// Entry point of the page: defines its elements and opens the view that the URL names.

import "./elements/sge-block-picker.js";
import "./elements/sge-compare.js";
import "./elements/sge-controls.js";
import "./elements/sge-credit.js";
import "./elements/sge-export.js";
import "./elements/sge-filmstrip.js";
import "./elements/sge-group-grid.js";
import "./elements/sge-image.js";
import "./elements/sge-legend.js";
import "./elements/sge-messages.js";
import "./elements/sge-model-name.js";
import "./elements/sge-models.js";
import "./elements/sge-predictions.js";
import "./elements/sge-queue.js";
import "./elements/sge-ranking.js";
import "./elements/sge-status.js";
import "./elements/sge-tour.js";
import "./elements/sge-upload.js";
import { listenForKeys } from "./keyboard.js";
import { followEffects } from "./state/effect.js";
import { listSamples, retry, show } from "./state/images.js";
import { followMaps } from "./state/maps.js";
import { store } from "./state/store.js";
import { forget } from "./state/switched-off.js";
import { ViewLink } from "./state/view-link.js";

listenForKeys();
followEffects(store);
followMaps(store);
store.addEventListener("change", ({ detail }) => {
  if (detail.has("model")) changeModel();
  if (!["framing", "model", "partsBy"].some((key) => detail.has(key))) return;
  if (store.image) show(store.state.requested ?? store.state.current);
  else retryFailed();
});

/** Where no image could be shown, another model or framing may show those that failed. */
function retryFailed() {
  const failed = store.state.images.filter(({ status }) => status === "failed").map(({ key }) => key);
  if (failed.length) retry(failed);
}

let modelOfPins = null;

/** Blocks, groups and classes belong to one model: another model starts with its own pins and opening block. */
function changeModel() {
  modelOfPins ??= store.image?.analysis.model.name ?? null;
  if (modelOfPins) store.keepPins(modelOfPins, store.state.pins);
  modelOfPins = store.state.model;
  store.set({ signal: null, block: null, hover: null, target: null, expected: null });
  forget(store);
  store.setPins(store.pinsOf(store.state.model));
}

const samples = JSON.parse(document.querySelector("sge-filmstrip").getAttribute("samples"));
listSamples(samples);
new ViewLink().open(location.hash);
