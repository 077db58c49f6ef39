// The element of sge.widget: it shows what the kernel computed, and sends it images and choices.

const STYLE = `
.sge-lens { font: 14px/1.4 system-ui, sans-serif; color: inherit; }
.sge-lens .bar { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .5rem 0; }
.sge-lens [hidden] { display: none; }
.sge-lens.over { outline: 2px dashed currentColor; }
.sge-lens [role=status] { min-height: 1.4em; margin: 0; }
.sge-lens td, .sge-lens th { padding: .1rem .75rem .1rem 0; text-align: left; font-variant-numeric: tabular-nums; }
`;

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const percent = (value) => (value === null ? "" : `${(100 * value).toFixed(1)} %`);

const table = (effects) => {
  const head = element("tr", {}, ...["class", "before", "without the groups", "without random groups"].map((text) => element("th", { scope: "col", textContent: text })));
  const rows = effects.map(([label, ...scores]) =>
    element("tr", {}, element("td", { textContent: label }), ...scores.map((value) => element("td", { textContent: percent(value) }))));
  return element("table", {}, head, ...rows);
};

function render({ model, el }) {
  const root = element("section", { className: "sge-lens" });
  root.setAttribute("aria-label", `SGE Lens, ${model.get("title")}`);
  const file = element("input", { type: "file", accept: "image/*" });
  const framing = element("select", {}, ...model.get("framings").map((name) => element("option", { textContent: name })));
  const groups = element("input", { type: "text", size: 28 });
  const measure = element("button", { type: "submit", textContent: "Measure the effect" });
  const status = element("p");
  status.setAttribute("role", "status");
  const effects = element("div");
  const report = element("div");

  const say = (text) => (status.textContent = text);
  const sendFile = async (chosen) => {
    if (!chosen) return;
    say(`Analysing ${chosen.name} …`);
    model.send({ kind: "image", name: chosen.name }, undefined, [await chosen.arrayBuffer()]);
  };
  file.addEventListener("change", () => sendFile(file.files[0]));
  root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("over"); });
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("over");
    sendFile(event.dataTransfer.files[0]);
  });
  framing.addEventListener("change", () => {
    say("Analysing …");
    model.send({ kind: "framing", framing: framing.value });
  });

  const form = element("form", { className: "bar" }, element("label", {}, "Groups to switch off ", groups), measure);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("Measuring …");
    model.send({ kind: "ablate", groups: groups.value });
  });

  // The report is a frame in a sandbox: none of its scripts reach this page.
  const follow = {
    report: () => { report.innerHTML = model.get("report"); say(""); },
    effects: () => { effects.replaceChildren(...(model.get("effects").length ? [table(model.get("effects"))] : [])); say(""); },
    framing: () => (framing.value = model.get("framing")),
    message: () => say(model.get("message")),
    blocks: () => {
      const [block] = model.get("blocks").slice(-1);
      form.hidden = block === undefined;
      groups.placeholder = block === undefined ? "" : `${block}:0,3-5`;
    },
  };
  for (const [name, show] of Object.entries(follow)) {
    model.on(`change:${name}`, show);
    show();
  }
  const answered = (message) => message.kind === "answered" && say(model.get("message"));
  model.on("msg:custom", answered);

  root.append(
    element("style", { textContent: STYLE }),
    element("div", { className: "bar" }, element("label", {}, "Image ", file), element("label", {}, "Framing ", framing)),
    form, status, effects, report,
  );
  el.append(root);
  return () => {
    for (const [name, show] of Object.entries(follow)) model.off(`change:${name}`, show);
    model.off("msg:custom", answered);
  };
}

export default { render };
