// Talks to the service: analyses, downloads, and the curl line of the same request.

const BUSY_TRIES = 6;
const LONGEST_WAIT_S = 10;

/** An error whose message is a sentence for the visitor. */
export class Refusal extends Error {}

/** Fetches; where the service is busy or loads its model, waits as long as it says and tries again. */
async function ask(url, init, busy = () => {}) {
  for (let tried = 1; ; tried += 1) {
    let answer;
    try {
      answer = await fetch(url, init);
    } catch {
      throw new Refusal("The service does not answer. Is it still running? Start it with make run and try again.");
    }
    if (answer.ok) return answer;
    if (answer.status !== 503 || tried === BUSY_TRIES) throw new Refusal(await sentence(answer));
    const seconds = Math.min(LONGEST_WAIT_S, Number(answer.headers.get("Retry-After")) || 1);
    busy(`The service is busy; asking again in ${seconds} s \u2026`);
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

async function sentence(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The service answered ${answer.status}. Try again.`;
  }
}

async function post(route, query, blob, name, busy) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    throw new Refusal("The browser cannot read it: a folder, or a file that has gone. Drop the pictures themselves.");
  }
  const body = new FormData();
  body.append("image", blob, name);
  return ask(`api/v1/${route}?${new URLSearchParams(query)}`, { method: "POST", body }, busy);
}

function queryOf({ framing, model }) {
  return model ? { framing, model } : { framing };
}

export async function analyze(blob, name, choice, busy) {
  return (await post("analyze", { ...queryOf(choice), top_k: 5 }, blob, name, busy)).json();
}

/** A sample's analysis, which the service remembers. */
export async function analyzeSample(id, { model }, busy) {
  return (await ask(`samples/${id}/analysis${model ? `?${new URLSearchParams({ model })}` : ""}`, undefined, busy)).json();
}

/** Every model of the service: card, ready or not. */
export async function models() {
  return (await ask("api/v1/models")).json();
}

export async function masks(blob, name, choice, format, signal) {
  return (await post("masks", { ...queryOf(choice), format, signal }, blob, name)).blob();
}

export async function report(blob, name, choice) {
  return (await post("analyze", { ...queryOf(choice), format: "html" }, blob, name)).blob();
}

/** The command that makes the same request from a shell. */
export function curlLine(name, choice) {
  const query = new URLSearchParams({ ...queryOf(choice), top_k: 5 });
  const quoted = `image=@"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`.replaceAll("'", "'\\''");
  return `curl -F '${quoted}' '${new URL(`api/v1/analyze?${query}`, location.href)}'`;
}
