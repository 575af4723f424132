"use strict";
(() => {
  const SIZE = 100;
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.querySelector(".filters");
  if (!form) return;
  const lower = data.paths.map((path) => path.toLowerCase());
  const format = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const sections = [...document.querySelectorAll("details.code")].map((node) => ({
    node,
    code: node.dataset.code.toLowerCase(),
    severity: node.dataset.severity,
    count: node.querySelector(":scope > summary .count"),
    groups: [...node.querySelectorAll(".places")].map((places) => {
      const fold = places.closest("details.group");
      const sub = fold ? fold.dataset.sub : (node.querySelector(":scope > summary .sub") || {}).textContent || "";
      return {
        places, fold, sub: sub.toLowerCase(), issues: data.groups[Number(places.dataset.group)],
        list: places.querySelector(".list"), more: places.querySelector(".more"), pager: places.querySelector(".pager"),
        count: fold ? fold.querySelector(":scope > summary .count") : null, shown: null, page: 0, stale: true,
      };
    }),
  }));
  let wanted = null; // by number of path: whether the filter lets it through; null lets all through

  const add = (parent, tag, name, text) => {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = text;
    parent.append(node);
    return node;
  };

  const draw = (group) => {
    const { issues, shown } = group;
    const total = shown ? shown.length : issues.p.length;
    const first = group.page * SIZE;
    const last = Math.min(first + SIZE, total);
    const rows = document.createDocumentFragment();
    for (let at = first; at < last; at++) {
      const index = shown ? shown[at] : at;
      const row = document.createElement("li");
      const path = add(row, "span", "path", data.paths[issues.p[index]]);
      if (issues.l && issues.l[index]) add(path, "span", "line", ":" + issues.l[index]);
      if (issues.m && data.seen[issues.m[index]]) {
        row.append(" ");
        add(row, "span", "what", data.seen[issues.m[index]]);
      }
      rows.append(row);
    }
    group.list.replaceChildren(rows);
    group.list.start = first + 1;
    group.list.scrollTop = 0;
    if (group.more) group.more.hidden = true;
    group.pager.hidden = total <= SIZE;
    group.pager.querySelector(".where").textContent = `${format(first + 1)} to ${format(last)} of ${format(total)}`;
    group.pager.querySelector("[data-step='-1']").disabled = first === 0;
    group.pager.querySelector("[data-step='1']").disabled = last === total;
    group.stale = false;
  };

  const isOpen = (section, group) => section.node.open && (!group.fold || group.fold.open);
  const refresh = () => {
    for (const section of sections)
      for (const group of section.groups) if (group.stale && isOpen(section, group)) draw(group);
  };

  const apply = () => {
    const severities = new Set([...form.querySelectorAll("[name=severity]:checked")].map((box) => box.value));
    const code = form.elements.code.value.trim().toLowerCase();
    const words = form.elements.path.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    wanted = words.length ? lower.map((path) => words.every((word) => path.includes(word))) : null;
    let total = 0;
    for (const section of sections) {
      let inSection = 0;
      for (const group of section.groups) {
        const fits = severities.has(section.severity) && (section.code.includes(code) || group.sub.includes(code));
        let count = 0;
        group.shown = null;
        if (fits && wanted) {
          group.shown = [];
          group.issues.p.forEach((path, index) => { if (wanted[path]) group.shown.push(index); });
          count = group.shown.length;
        } else if (fits) {
          count = group.issues.p.length;
        }
        (group.fold || group.places).hidden = !count;
        if (group.count) group.count.textContent = format(count);
        group.page = 0;
        group.stale = true;
        inSection += count;
      }
      section.node.hidden = !inSection;
      section.count.textContent = format(inSection);
      total += inSection;
    }
    form.querySelector("output").textContent = `${format(total)} ${total === 1 ? "issue" : "issues"}`;
    document.getElementById("none").hidden = total > 0;
    refresh();
  };

  let timer = 0;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 120); });
  form.addEventListener("submit", (event) => event.preventDefault());
  const fold = (open) => { for (const { node } of sections) if (!node.hidden) node.open = open; };
  form.elements.open.addEventListener("click", () => fold(true));
  form.elements.close.addEventListener("click", () => fold(false));
  document.addEventListener("toggle", refresh, true);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".pager button");
    if (!button) return;
    for (const { groups } of sections)
      for (const group of groups)
        if (group.pager === button.parentNode) { group.page += Number(button.dataset.step); draw(group); }
  });

  let opened = []; // what print has opened
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const node of opened) node.open = true;
    refresh();
  });
  addEventListener("afterprint", () => { for (const node of opened) node.open = false; });

  form.hidden = false;
  apply();
})();
