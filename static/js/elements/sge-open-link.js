// The link from a page in a frame to the same view on the whole page.

import { currentLink, LINK_KEYS } from "../state/view-link.js";
import { StoreElement } from "./store-element.js";

class OpenLink extends StoreElement {
  static keys = LINK_KEYS;

  build() {
    this.link = this.querySelector("a");
  }

  draw() {
    if (this.store.image) this.link.href = currentLink();
  }
}

customElements.define("sge-open-link", OpenLink);
