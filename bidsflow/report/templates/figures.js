
// Drawings: layers that can be switched off, two in one place, dots that lead to pages, ratings.

function makeSwitchable(figure) {
  figure.querySelectorAll("[data-switch]").forEach((box) => box.addEventListener("change", () => {
    figure.querySelectorAll("[data-layer]").forEach((path) => {
      if (path.dataset.layer === box.dataset.switch) path.toggleAttribute("hidden", !box.checked);
    });
  }));
}

function makeFlicker(figure) {
  const frames = [...figure.querySelectorAll("[data-frame]")];
  const stage = figure.querySelector("[data-stage]");
  const now = figure.querySelector("[data-now]");
  const play = figure.querySelector("[data-play]");
  let current = 0;
  let timer = 0;
  const show = (rank, quiet) => {
    current = rank;
    frames.forEach((frame, k) => frame.classList.toggle("out", k !== rank));
    if (!quiet) now.textContent = frames[rank].dataset.frame;
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-pressed", "false");
    show(current);
  };
  const swap = () => { stop(); show(1 - current); };
  figure.querySelector("[data-swap]").addEventListener("click", swap);
  stage.addEventListener("click", swap);
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    play.setAttribute("aria-pressed", "true");
    now.textContent = "";
    // Less than three flashes a second: WCAG 2.3.1.
    timer = setInterval(() => show(1 - current, true), 700);
  });
  stage.classList.add("stacked");
  figure.querySelector("[data-tools]").hidden = false;
  show(0);
}

function readLane(box, ranks) {
  const values = box.dataset.lane.split(",");
  const svg = box.querySelector(".lane-plot svg");
  if (!svg) return null;
  const next = [...svg.querySelectorAll(".dots")].map((path) => path.getAttribute("d").matchAll(/M([\d.]+) ([\d.]+)/g));
  const places = values.map((value, k) => {
    if (value === "") return null;
    const found = next[ranks[k]].next().value;
    return [Number(found[1]), Number(found[2])];
  });
  const sorted = [...values.keys()].filter((k) => places[k]).sort((a, b) => Number(values[a]) - Number(values[b]));
  return { box, svg, values, places, sorted };
}

// As `swarms.find_fences`: the median, and the values with a robust z of 3.5; null for fewer than five.
function findFences(values) {
  const median = (list) => {
    const sorted = [...list].sort((a, b) => a - b);
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  };
  if (values.length < 5) return null;
  const middle = median(values);
  const spreads = values.map((value) => Math.abs(value - middle));
  const mean = spreads.reduce((sum, one) => sum + one, 0) / spreads.length;
  const reach = 3.5 * (median(spreads) / 0.6745 || mean / 0.7979) || Infinity;
  return { middle, low: middle - reach, high: middle + reach };
}

// Shades what is usual among the images of the chosen groups, and counts what is not.
function shadeLane(lane, visible) {
  const [low, high] = lane.box.dataset.limits.split(",").map(Number);
  const place = (value) => Math.min(1000, Math.max(0, high > low ? 10 + ((value - low) / (high - low)) * 980 : 500));
  const values = lane.values.filter((value, k) => value !== "" && visible(k)).map(Number);
  const fences = findFences(values);
  const [start, end] = fences ? [place(fences.low), place(fences.high)] : [0, 0];
  const within = lane.svg.querySelector(".within");
  within.setAttribute("x", start);
  within.setAttribute("width", end - start);
  const middle = lane.svg.querySelector(".middle");
  if (middle) middle.setAttribute("d", fences ? `M${place(fences.middle)} 0V64` : "");
  const outside = fences ? values.filter((value) => value < fences.low || value > fences.high).length : 0;
  const said = fences ? `median ${Number(fences.middle.toPrecision(4))} · ${outside} outlier${outside === 1 ? "" : "s"}` : "too few for outliers";
  lane.box.querySelector(".lane-sum").textContent = said;
}

function makeSwarms(root) {
  const items = [...root.querySelectorAll(".points li")];
  const names = items.map((item) => item.textContent);
  const notes = items.map((item) => item.dataset.note ?? "");
  const links = items.map((item) => item.querySelector("a")?.getAttribute("href") ?? "");
  const ranks = items.map((item) => Number(item.dataset.group));
  const texts = names.map((name, k) => `${name} ${notes[k]}`.toLowerCase());
  const count = root.querySelector("[data-count]");
  const total = count.textContent;
  const now = root.querySelector("[data-now]");
  const rest = now.textContent;
  const lanes = [...root.querySelectorAll("[data-lane]")].map((box) => readLane(box, ranks)).filter(Boolean);
  const boxes = [...root.querySelectorAll("[data-group]")].filter((box) => box.matches("input"));
  const visible = (k) => !boxes.length || boxes[ranks[k]].checked;
  const draw = (chosen, lane) => chosen.map((k) => lane.places[k]).filter(Boolean).map(([x, y]) => `M${x} ${y}h.1`).join("");

  const point = (lane, k) => {
    const [x, y] = lane.places[k];
    lane.ring.style.left = `${x / 10}%`;
    lane.ring.style.top = `${y}px`;
    lane.ring.classList.add("here");
    if (links[k]) lane.ring.href = links[k];
    else lane.ring.removeAttribute("href");
    lane.current = k;
    const unit = lane.box.dataset.unit ? ` ${lane.box.dataset.unit}` : "";
    const label = `${names[k]}${notes[k] ? ` (${notes[k]})` : ""}: ${lane.name} ${lane.values[k]}${unit}`;
    lane.ring.setAttribute("aria-label", label);
    lane.ring.title = label;
    now.textContent = label;
    lanes.forEach((other) => other.same.setAttribute("d", other === lane ? "" : draw([k], other)));
  };
  const leave = () => {
    now.textContent = rest;
    lanes.forEach((lane) => {
      lane.same.setAttribute("d", "");
      if (lane.ring !== document.activeElement) lane.ring.classList.remove("here");
    });
  };
  const nearest = (lane, event) => {
    const frame = lane.svg.getBoundingClientRect();
    const scale = frame.width / 1000;
    let best = -1;
    let least = 14 ** 2;
    lane.places.forEach((place, k) => {
      if (!place || !visible(k)) return;
      const far = (frame.left + place[0] * scale - event.clientX) ** 2 + (frame.top + place[1] - event.clientY) ** 2;
      if (far < least) { least = far; best = k; }
    });
    return best;
  };

  lanes.forEach((lane) => {
    lane.name = lane.box.dataset.name;
    const dots = lane.svg.querySelector(".dots");
    lane.found = dots.cloneNode(false);
    lane.found.setAttribute("class", "found");
    lane.same = dots.cloneNode(false);
    lane.same.setAttribute("class", "same");
    lane.same.setAttribute("stroke-width", "9");
    [lane.found, lane.same].forEach((path) => { path.setAttribute("d", ""); path.setAttribute("vector-effect", "non-scaling-stroke"); });
    lane.svg.append(lane.found, lane.same);
    // A real link over the dot: it opens in a tab, is named in the status bar and reached by keyboard.
    lane.ring = document.createElement("a");
    lane.ring.className = "ring";
    lane.ring.tabIndex = 0;
    lane.ring.setAttribute("aria-label", `${lane.name}: walk through the images with the arrow keys`);
    const plot = lane.svg.parentNode;
    plot.append(lane.ring);
    plot.addEventListener("pointermove", (event) => {
      const k = nearest(lane, event);
      if (k >= 0 && k !== lane.current) point(lane, k);
      else if (k >= 0) lane.ring.classList.add("here");
    });
    plot.addEventListener("pointerleave", leave);
    lane.ring.addEventListener("focus", () => {
      if (lane.current === undefined) point(lane, lane.sorted.at(-1));
      else point(lane, lane.current);
    });
    lane.ring.addEventListener("blur", leave);
    lane.ring.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const end = { Home: 0, End: lane.sorted.length - 1 }[event.key];
      if (step === undefined && end === undefined) return;
      event.preventDefault();
      let rank = end ?? lane.sorted.indexOf(lane.current) + step;
      while (step && lane.sorted[rank] !== undefined && !visible(lane.sorted[rank])) rank += step;
      if (lane.sorted[rank] !== undefined) point(lane, lane.sorted[rank]);
    });
  });

  const update = () => {
    const words = root.querySelector('[data-find="points"]').value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = words.length ? [...items.keys()].filter((k) => visible(k) && words.every((word) => texts[k].includes(word))) : [];
    items.forEach((item, k) => { item.hidden = !visible(k) || (words.length > 0 && !chosen.includes(k)); });
    lanes.forEach((lane) => {
      lane.svg.classList.toggle("pale", words.length > 0);
      lane.found.setAttribute("d", draw(chosen, lane));
      lane.svg.querySelectorAll(".dots").forEach((path, rank) => { path.toggleAttribute("hidden", boxes.length > 0 && !boxes[rank].checked); });
    });
    count.textContent = words.length ? `${chosen.length} of ${total}` : total;
  };
  const pick = () => {
    const words = root.querySelector('[data-find="measures"]').value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    root.querySelectorAll(".lane").forEach((box) => {
      const text = box.querySelector(".lane-head").textContent.toLowerCase();
      box.hidden = !words.every((word) => text.includes(word));
      shown += !box.hidden;
    });
    root.querySelector("[data-empty]").hidden = shown > 0;
  };
  root.querySelector('[data-find="points"]').addEventListener("input", update);
  root.querySelector('[data-find="measures"]').addEventListener("input", pick);
  boxes.forEach((box) => box.addEventListener("change", () => {
    update();
    lanes.forEach((lane) => shadeLane(lane, visible));
  }));
  root.querySelector("[data-tools]").hidden = false;
}

function makeRating(form) {
  const opened = Date.now();
  const said = form.querySelector("[data-said]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const checked = (start) => form.querySelector(`input[name^="${start}-"]:checked`);
    const field = (name) => form.querySelector(`[data-field="${name}"]`).value.trim();
    const rating = {
      dataset: form.dataset.dataset,
      subject: form.dataset.stem,
      image: form.dataset.image,
      measures: form.dataset.measures,
      rating: Number(checked("rating").value),
      rating_label: checked("rating").dataset.word,
      artifacts: [...form.querySelectorAll('input[name^="artefact-"]:checked')].map((box) => box.value),
      confidence: Number(checked("confidence").value),
      comments: field("comments"),
      rater: field("rater"),
      rated_at: new Date().toISOString(),
      time_sec: (Date.now() - opened) / 1000,
    };
    const rater = rating.rater.replace(/[^A-Za-z0-9]/g, "");
    const link = document.createElement("a");
    link.download = `${rating.subject}${rater ? `_rater-${rater}` : ""}_rating.json`;
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(rating, null, 2)}\n`], { type: "application/json" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    said.textContent = `Saved as ${link.download} among your downloads.`;
  });
  form.querySelector("[data-save]").hidden = false;
}

document.querySelectorAll("[data-drawing]").forEach(makeSwitchable);
document.querySelectorAll("[data-flicker]").forEach(makeFlicker);
document.querySelectorAll("[data-swarms]").forEach(makeSwarms);
document.querySelectorAll("[data-rating]").forEach(makeRating);
