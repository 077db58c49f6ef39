// Reads the body of an answer in parts, while it arrives.

export class Streamed {
  constructor(response) {
    this.reader = response.body.getReader();
    this.chunks = [];
    this.size = 0;
  }

  /** Reads until there are so many bytes, or the body has ended. */
  async fill(bytes) {
    while (this.size < bytes) {
      const { done, value } = await this.reader.read();
      if (done) return;
      this.chunks.push(value);
      this.size += value.byteLength;
    }
  }

  /** A copy of the first bytes, without taking them; fewer if the body has ended before. */
  async peek(bytes) {
    await this.fill(bytes);
    const all = new Uint8Array(this.size);
    let end = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, end);
      end += chunk.byteLength;
    }
    this.chunks = [all];
    return all.slice(0, bytes).buffer;
  }

  /** Takes the first bytes, or all where `bytes` is Infinity. */
  async take(bytes) {
    const taken = await this.peek(bytes);
    const left = this.chunks[0].slice(taken.byteLength);
    this.chunks = [left];
    this.size = left.byteLength;
    return taken;
  }

  /** Ends the answer: nobody reads on. */
  cancel() {
    this.reader.cancel().catch(() => {});
  }
}
