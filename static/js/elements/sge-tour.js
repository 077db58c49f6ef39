// The tour (work in progress).
customElements.define("sge-tour", class extends HTMLElement {});
