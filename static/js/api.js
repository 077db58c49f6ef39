// Talks to the service: analyses, downloads, and the curl line of the same request.

const BUSY_TRIES = 5;

/** An error whose message is a sentence for the visitor. */
export class Refusal extends Error {}

/** POSTs a picture; waits and tries again while the queue is full. */
async function post(route, query, blob, name) {
  const body = new FormData();
  body.append("image", blob, name);
  for (let tried = 1; ; tried += 1) {
    let answer;
    try {
      answer = await fetch(`api/v1/${route}?${new URLSearchParams(query)}`, { method: "POST", body });
    } catch {
      throw new Refusal("The service does not answer. Is it still running? Start it with make run and try again.");
    }
    if (answer.ok) return answer;
    if (answer.status !== 503 || tried === BUSY_TRIES) throw new Refusal(await sentence(answer));
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    await new Promise((done) => setTimeout(done, 1000 * Math.min(seconds, 10)));
  }
}

async function sentence(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The service answered ${answer.status}. Try again.`;
  }
}

function queryOf({ framing, model }) {
  return model ? { framing, model } : { framing };
}

export async function analyze(blob, name, choice) {
  return (await post("analyze", { ...queryOf(choice), top_k: 5 }, blob, name)).json();
}

/** A sample's analysis, which the service remembers. */
export async function analyzeSample(id, { model }) {
  const answer = await fetch(`samples/${id}/analysis${model ? `?${new URLSearchParams({ model })}` : ""}`);
  if (answer.status === 503) {
    await new Promise((done) => setTimeout(done, 1000 * (Number(answer.headers.get("Retry-After")) || 1)));
    return analyzeSample(id, { model });
  }
  if (!answer.ok) throw new Refusal(await sentence(answer));
  return answer.json();
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
