// A queue that works on several keys at once.

export class Queue {
  /**
   * @param limit how many keys are worked on at once; a key that is first may start one more
   * @param work `async (key, signal)`; it handles its own errors, and ends when the signal aborts
   * @param isFirst tells of a key whether it goes before all others
   */
  constructor({ limit, work, isFirst = () => false }) {
    Object.assign(this, { limit, work, isFirst });
    this.waiting = [];
    this.running = new Map();
    this.isPaused = false;
  }

  get size() {
    return this.waiting.length + this.running.size;
  }

  /** Adds a key, unless it waits or runs already. */
  add(key) {
    if (this.waiting.includes(key) || this.running.has(key)) return;
    this.waiting.push(key);
    this.start();
  }

  /** Forgets a key. If it runs, its work is aborted. */
  remove(key) {
    this.waiting = this.waiting.filter((other) => other !== key);
    this.running.get(key)?.abort();
    this.running.delete(key);
    this.start();
  }

  /** Forgets all keys and aborts what runs; returns the keys. */
  clear() {
    const keys = [...this.running.keys(), ...this.waiting];
    this.waiting = [];
    keys.forEach((key) => this.remove(key));
    return keys;
  }

  /** Starts no further key for a time, except a key that is first. */
  pause(milliseconds) {
    clearTimeout(this.timer);
    this.isPaused = true;
    this.timer = setTimeout(() => {
      this.isPaused = false;
      this.start();
    }, milliseconds);
  }

  /** Starts as many keys as there is room for. */
  start() {
    while (this.waiting.length > 0) {
      const first = this.waiting.find(this.isFirst);
      const room = this.limit + (first === undefined ? 0 : 1) - this.running.size;
      if (room <= 0 || (this.isPaused && first === undefined)) return;
      const key = first ?? this.waiting[0];
      this.waiting = this.waiting.filter((other) => other !== key);
      this.run(key);
    }
  }

  async run(key) {
    const controller = new AbortController();
    this.running.set(key, controller);
    try {
      await this.work(key, controller.signal);
    } finally {
      if (this.running.get(key) === controller) this.running.delete(key);
      this.start();
    }
  }
}
