"use strict";
// All of this is a convenience: without it the page still shows everything.

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function keyOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.key ?? cell.textContent.trim();
}

function compareRows(a, b, column, numeric) {
  const x = keyOf(a, column);
  const y = keyOf(b, column);
  if (x === "" || y === "") return (x === "") - (y === "");
  return numeric ? Number(x) - Number(y) : collator.compare(x, y);
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const keys = original.map((row) => keyOf(row, column)).filter((key) => key !== "");
    const numeric = keys.length > 0 && keys.every((key) => Number.isFinite(Number(key)));
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // Up, down, and back to the order in which the rows came.
      const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const sorted = [...original];
      if (next) {
        head.setAttribute("aria-sort", next);
        const sign = next === "ascending" ? 1 : -1;
        sorted.sort((a, b) => {
          const blanks = (keyOf(a, column) === "") - (keyOf(b, column) === "");
          return blanks || sign * compareRows(a, b, column, numeric);
        });
      }
      body.append(...sorted);
    });
  });
}

function makeFilterable(box, table) {
  const tools = box.querySelector("[data-tools]");
  if (!tools) return;
  const field = tools.querySelector("input");
  const chips = [...tools.querySelectorAll(".chip")];
  const count = box.querySelector("[data-count]");
  const empty = box.querySelector("[data-empty]");
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const total = count.textContent;

  const update = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.status);
    let shown = 0;
    rows.forEach((row, rank) => {
      const keep = words.every((word) => texts[rank].includes(word)) && (!wanted.length || wanted.includes(row.dataset.status));
      row.hidden = !keep;
      shown += keep;
    });
    count.textContent = shown === rows.length ? total : `${shown} of ${total}`;
    empty.hidden = shown > 0;
  };
  field.addEventListener("input", update);
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    update();
  }));
  tools.hidden = false;
}

function makeZoomable(plates) {
  if (!plates.length || !window.HTMLDialogElement) return;
  const dialog = document.createElement("dialog");
  dialog.className = "zoom";
  dialog.setAttribute("aria-label", "Enlarged figure");
  const stage = document.createElement("div");
  const foot = document.createElement("div");
  const title = document.createElement("p");
  const tools = document.createElement("div");
  stage.className = "zoom-stage";
  foot.className = "zoom-foot";
  tools.className = "zoom-tools";
  foot.append(title, tools);
  dialog.append(stage, foot);
  document.body.append(dialog);

  let current = 0;
  const show = (rank) => {
    current = (rank + plates.length) % plates.length;
    stage.replaceChildren(plates[current].querySelector("img, svg").cloneNode(true));
    title.textContent = plates[current].closest("figure").querySelector(".figure-title, .drawing-title").textContent;
  };
  const addTool = (label, action) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", action);
    tools.append(button);
  };
  if (plates.length > 1) {
    addTool("Previous", () => show(current - 1));
    addTool("Next", () => show(current + 1));
  }
  addTool("Close", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(current - 1);
    if (event.key === "ArrowRight") show(current + 1);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  plates.forEach((plate, rank) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...plate.childNodes);
    const picture = button.querySelector("img, svg");
    button.setAttribute("aria-label", `Enlarge: ${picture.alt ?? picture.getAttribute("aria-label")}`);
    button.addEventListener("click", () => { show(rank); dialog.showModal(); });
    plate.append(button);
  });
}

function followContents() {
  const links = new Map([...document.querySelectorAll(".toc a")].map((link) => [link.hash.slice(1), link]));
  if (!links.size) return;
  const sections = [...document.querySelectorAll("main > section")];
  let waiting = false;
  const update = () => {
    waiting = false;
    const atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2 && window.scrollY > 0;
    const passed = sections.filter((section) => section.getBoundingClientRect().top < window.innerHeight * 0.3);
    const here = atEnd ? sections.at(-1) : passed.at(-1) ?? sections[0];
    links.forEach((link, id) => {
      if (id === here.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  };
  window.addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(update);
    waiting = true;
  }, { passive: true });
  update();
}

document.querySelectorAll("[data-table]").forEach((box) => {
  const table = box.querySelector("table");
  if (!table) return;
  if (table.tBodies[0].rows.length > 1) makeSortable(table);
  makeFilterable(box, table);
});
makeZoomable([...document.querySelectorAll("[data-plate]")]);
followContents();
