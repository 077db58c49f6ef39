// The requests that give what the page shows: for the report, as curl lines, and as Python.

import { partsQuery } from "../api.js";
import { boxesOf, hasClasses } from "./boxes.js";
import { chosenAblation } from "./effect.js";
import { hasChoice } from "./parts.js";

const MAX_VIEW = 2000;

/** What both requests name: framing, and the model unless it is the service's default. */
const common = ({ state: { framing, model } }) => ({ framing, ...(model ? { model } : {}) });

/** The query of `/analyze` for the view of a store. */
export function analyzeQuery(store) {
  const target = hasClasses(store.image.analysis) ? { target: store.state.target ?? "predicted" } : {};
  const parts = hasChoice(store.image.analysis) ? partsQuery(store.state.partsBy) : {};
  return { ...common(store), ...target, ...parts, top_k: 5 };
}

/** The query of `/ablate` as a list of pairs, or null where nothing is switched off. */
export function ablateQuery(store) {
  const chosen = chosenAblation(store);
  if (!chosen) return null;
  const targets = [store.target, store.expected].filter((index) => index !== null);
  return [...Object.entries({ ...common(store), ...chosen, top_k: 5 }), ...targets.map((target) => ["target", target])];
}

/** The query of `/analyze` for a report that opens with the view of a store; `hash` names its settings. */
export function reportQuery(store, hash) {
  const chosen = chosenAblation(store);
  const { groups: ablate, ...rest } = chosen ?? {};
  return { ...analyzeQuery(store), ...(chosen ? { ablate, ...rest } : {}), ...(hash && hash.length <= MAX_VIEW ? { view: hash } : {}), format: "html" };
}

/** Percent-encodes a query, but not the separators of lists, so that it can be read. */
const queryText = (query) => String(new URLSearchParams(query)).replace(/%(?:2C|3A|3B)/g, decodeURIComponent);

/** The routes with their queries: of the analysis, and of the ablation if something is switched off. */
function routes(store) {
  const ablation = ablateQuery(store);
  return [`analyze?${queryText(analyzeQuery(store))}`, ...(ablation ? [`ablate?${queryText(ablation)}`] : [])];
}

const address = (route) => new URL(`api/v1/${route}`, location.href).href;

/** A shell command for each request. */
export function curlText(name, store) {
  const quoted = `image=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`.replaceAll("'", "'\\''");
  return routes(store)
    .map((route) => `curl -F '${quoted}' '${address(route).replaceAll("'", "%27")}'`)
    .join("\n");
}

/** A Python program for the same requests; it needs nothing but Python. */
export function pythonText(name, store) {
  const [analyze, ablate] = routes(store);
  const lines = [
    "import json",
    "import pathlib",
    "import urllib.request",
    "",
    `image = pathlib.Path(${JSON.stringify(name)}).read_bytes()`,
    "",
    "def ask(route):",
    `    url = ${JSON.stringify(address(""))} + route`,
    '    request = urllib.request.Request(url, image, {"Content-Type": "application/octet-stream"})',
    "    return json.load(urllib.request.urlopen(request))",
    "",
    `analysis = ask(${JSON.stringify(analyze)})`,
    `for found in analysis["${boxesOf(store.image.analysis).length > 0 ? "boxes" : "predictions"}"]:`,
    '    print(found["label"], found["score"])',
  ];
  if (!ablate) return lines.join("\n");
  return [...lines, "", `ablation = ask(${JSON.stringify(ablate)})`, 'for each in ablation["classes"]:', '    print(each["label"], each["before"], "->", each["after"])'].join("\n");
}
