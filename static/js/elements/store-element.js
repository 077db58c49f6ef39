// Base class of the elements that draw the state of a store.

import { observe, store } from "../state/store.js";

/** Draws itself whenever its store changes. Subclasses have `keys`, `draw(changed)` and, if needed, `build()`. */
export class StoreElement extends HTMLElement {
  connectedCallback() {
    this.store = this.closest("sge-compare")?.store ?? store;
    this.build?.();
    this.stopObserving = observe(this.constructor.keys, (changed) => this.draw(changed), this.store);
  }

  disconnectedCallback() {
    this.stopObserving?.();
  }
}
