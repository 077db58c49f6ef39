// Reads the binary answers of the service (`format=atlas`): a record as JSON, and behind it its maps as plain bytes.

const MAGIC = "SGEATLAS";
const VERSION = 1;
// The magic bytes, the version, and the length of the JSON.
const PREFIX = 16;

/** Where the JSON of an answer ends. */
function startOf(buffer) {
  const head = new DataView(buffer, 0, PREFIX);
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, MAGIC.length));
  if (magic !== MAGIC || head.getUint32(8, true) !== VERSION) throw new SyntaxError("this is no answer with maps");
  return PREFIX + head.getUint32(12, true);
}

const textOf = (buffer, start) => new TextDecoder().decode(new Uint8Array(buffer, PREFIX, start - PREFIX));

/**
 * How many bytes of a streamed answer stand before its file `rest`, an answer of its own; Infinity where it has none.
 * Throws as `unpack`.
 */
export async function bytesBeforeRest(streamed) {
  const start = startOf(await streamed.peek(PREFIX));
  const { rest } = JSON.parse(textOf(await streamed.peek(start), start));
  return rest ? start + rest.offset : Infinity;
}

/**
 * The record of an answer.
 *
 * Each atlas has `cells`, a view of the answer's bytes. The preview is a Blob, or null where `packedAgain` has left it out;
 * the rest is always null. Throws a RangeError or SyntaxError if the answer is not complete.
 */
export function unpack(buffer) {
  const start = startOf(buffer);
  const text = textOf(buffer, start);
  const take = (key, node) => (Number.isInteger(node?.offset) ? withBytes(node, buffer, start) : node);
  return JSON.parse(text, take);
}

function withBytes({ offset, ...node }, buffer, start) {
  if (node.type && start + offset >= buffer.byteLength) return null;
  if (node.type) return new Blob([new Uint8Array(buffer, start + offset, node.length)], { type: node.type });
  return { ...node, cells: new Uint8Array(buffer, start + offset, node.groups * node.height * node.width) };
}

/** An answer as a blob that outlives the record, without its preview, which is behind the maps. */
export function packedAgain(buffer, { preview }) {
  return new Blob([preview ? new Uint8Array(buffer, 0, buffer.byteLength - preview.size) : buffer]);
}
