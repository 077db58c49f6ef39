// Entry point of the stand-alone report: the page's own elements over the one analysis that the file contains.

import "./elements/sge-block-picker.js";
import "./elements/sge-controls.js";
import "./elements/sge-group-grid.js";
import "./elements/sge-image.js";
import "./elements/sge-legend.js";
import "./elements/sge-predictions.js";
import "./elements/sge-ranking.js";
import { listenForKeys } from "./keyboard.js";
import { showRecorded } from "./state/effect.js";
import { open } from "./state/opening.js";
import { store } from "./state/store.js";
import { openRecorded } from "./state/view-link.js";

listenForKeys();
store.set({ offline: true });
const analysis = JSON.parse(document.getElementById("analysis").textContent);
const entry = { key: "report", name: analysis.image.name ?? "image", ...(await open(analysis, analysis.preview)) };
store.set({ images: [entry], current: "report", requested: "report", framing: analysis.geometry.framing });
showRecorded(store);
openRecorded(analysis.view ?? "");
document.documentElement.dataset.maps = "ready";
