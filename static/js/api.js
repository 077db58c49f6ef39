// Requests to the service: analyses, models, downloads, and the curl command for the same request.

const MAX_TRIES = 6;
const MAX_WAIT_S = 10;

/** A refused request; the message is a sentence for the visitor. */
export class RequestError extends Error {}

/** Fetches. While the service is busy or loads its model, waits for `Retry-After` and tries again. */
async function request(url, init, onBusy = () => {}) {
  for (let tries = 1; ; tries += 1) {
    let response;
    try {
      response = await fetch(url, init);
    } catch {
      throw new RequestError("The service does not answer. Is it still running? Start it with make run and try again.");
    }
    if (response.ok) return response;
    if (response.status !== 503 || tries === MAX_TRIES) throw new RequestError(await detailOf(response));
    const seconds = Math.min(MAX_WAIT_S, Number(response.headers.get("Retry-After")) || 1);
    onBusy(`The service is busy; trying again in ${seconds} s \u2026`);
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

async function detailOf(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The service answered ${response.status}. Try again.`;
  }
}

async function post(route, query, blob, name, onBusy) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    throw new RequestError("The browser cannot read it: it is a folder, or the file no longer exists. Drop the images themselves.");
  }
  const body = new FormData();
  body.append("image", blob, name);
  return request(`api/v1/${route}?${new URLSearchParams(query)}`, { method: "POST", body }, onBusy);
}

function queryOf({ framing, model }) {
  return model ? { framing, model } : { framing };
}

export async function analyze(blob, name, options, onBusy) {
  return (await post("analyze", { ...queryOf(options), top_k: 5 }, blob, name, onBusy)).json();
}

/** The analysis of a sample, which the service caches. */
export async function analyzeSample(id, { model }, onBusy) {
  return (await request(`samples/${id}/analysis${model ? `?${new URLSearchParams({ model })}` : ""}`, undefined, onBusy)).json();
}

/** Every model of the service: its card, and whether it is ready. */
export async function models() {
  return (await request("api/v1/models")).json();
}

export async function masks(blob, name, options, format, signal) {
  return (await post("masks", { ...queryOf(options), format, signal }, blob, name)).blob();
}

export async function report(blob, name, options) {
  return (await post("analyze", { ...queryOf(options), format: "html" }, blob, name)).blob();
}

/** The shell command for the same request. */
export function curlLine(name, options) {
  const query = new URLSearchParams({ ...queryOf(options), top_k: 5 });
  const quoted = `image=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`.replaceAll("'", "'\\''");
  return `curl -F '${quoted}' '${new URL(`api/v1/analyze?${query}`, location.href)}'`;
}
