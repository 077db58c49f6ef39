// Every way in: drop, paste, chooser, camera. Files are refused here only by size; the service judges the rest.

import { addFiles } from "./pictures.js";

class Intake extends HTMLElement {
  connectedCallback() {
    const maxBytes = Number(this.getAttribute("max-bytes"));
    const take = (files) => addFiles([...files], maxBytes);
    for (const input of this.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        take(input.files);
        input.value = "";
      });
    }
    this.followDrops(take);
    window.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) take(files);
    });
  }

  followDrops(take) {
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    const lit = (on) => document.documentElement.classList.toggle("dropping", on);
    window.addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      lit(true);
    });
    window.addEventListener("dragleave", (event) => event.relatedTarget === null && lit(false));
    window.addEventListener("drop", (event) => {
      lit(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      take(event.dataTransfer.files);
    });
  }
}

customElements.define("sge-intake", Intake);
