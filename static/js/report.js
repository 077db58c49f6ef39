// The stand-alone report: the page's own elements over one analysis that lies in the file.

import "./sge-controls.js";
import "./sge-ladder.js";
import "./sge-legend.js";
import "./sge-picture.js";
import "./sge-predictions.js";
import "./sge-ranking.js";
import "./sge-wall.js";
import { followKeys } from "./keys.js";
import { open } from "./pictures.js";
import { store } from "./store.js";

followKeys();
const analysis = JSON.parse(document.getElementById("analysis").textContent);
const entry = { key: "report", name: analysis.picture.name ?? "picture", ...(await open(analysis, analysis.image)) };
store.set({ pictures: [entry], current: "report", wanted: "report", framing: analysis.geometry.framing });
