// Accepts images by drop, paste, file chooser and camera. Only the size is checked here; the service checks the rest.

import { addFiles } from "../state/images.js";

class Upload extends HTMLElement {
  connectedCallback() {
    const maxBytes = Number(this.getAttribute("max-bytes"));
    const add = (files) => addFiles([...files], maxBytes);
    for (const input of this.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        add(input.files);
        input.value = "";
      });
    }
    this.listenForDrops(add);
    window.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) add(files);
    });
  }

  listenForDrops(add) {
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    const showDropzone = (on) => document.documentElement.classList.toggle("dropping", on);
    window.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      showDropzone(true);
    });
    window.addEventListener("dragleave", (event) => event.relatedTarget === null && showDropzone(false));
    window.addEventListener("drop", (event) => {
      showDropzone(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      add(event.dataTransfer.files);
    });
  }
}

customElements.define("sge-upload", Upload);
