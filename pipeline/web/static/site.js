// Optional features: sort a table in place, copy a command, count selected runs, follow a run.
"use strict";

(function () {
  const announce = (text) => { document.getElementById("announce").textContent = text; };

  // Tables -------------------------------------------------------------------------------------------------------
  function valueOf(row, column) {
    const cell = row.cells[column];
    const given = cell.dataset.value;
    if (given !== undefined) return given === "" ? null : Number(given);
    const text = cell.textContent.trim();
    const number = Number(text.replace(/,/g, ""));
    if (text === "" || text === "–") return null;
    return Number.isNaN(number) ? text.toLowerCase() : number;
  }

  function sort(table, column, ascending) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row) => [valueOf(row, column), row]);
    const compare = (a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // rows without a value come last
      return ascending ? compare(a, b) : compare(b, a);
    });
    body.append(...rows.map(([, row]) => row));
  }

  function makeSortable(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const text = head.textContent.trim();
      if (head.tagName !== "TH" || !text || head.querySelector("a, button")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort-button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") === "descending" || (!head.hasAttribute("aria-sort") && column === 0);
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sort(table, column, ascending);
        announce("Sorted by " + text + ", " + (ascending ? "ascending" : "descending"));
      });
    });
  }

  // Commands -----------------------------------------------------------------------------------------------------
  function makeCopyable(button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    const label = button.firstChild;
    button.addEventListener("click", () => navigator.clipboard.writeText(button.dataset.copy).then(
      () => { label.data = "Copied"; announce("Copied"); setTimeout(() => { label.data = "Copy"; }, 1500); },
      () => { label.data = "Not allowed"; },
    ));
  }

  // Runs to compare ----------------------------------------------------------------------------------------------
  function countSelected(form) {
    const button = form.querySelector("button[type=submit]");
    const hint = form.querySelector("[data-hint]");
    const initial = hint.textContent;
    const update = () => {
      const count = form.querySelectorAll("input[name=run]:checked").length;
      button.disabled = count > 8;
      button.textContent = count > 1 ? "Compare " + count + " runs" : "Compare";
      hint.textContent = count > 8 ? "Select at most 8." : count === 1 ? "Select one more." : count ? "" : initial;
    };
    form.addEventListener("change", update);
    update();
  }

  // The Tab key reaches a frame only while it can be scrolled.
  function fitFrames(part) {
    part.querySelectorAll(".scroll").forEach((frame) => {
      if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
      else frame.removeAttribute("tabindex");
    });
  }

  function dress(part) {
    const all = (selector) => [...(part.matches(selector) ? [part] : []), ...part.querySelectorAll(selector)];
    all("table[data-sortable]").forEach(makeSortable);
    all("button[data-copy]").forEach(makeCopyable);
    all("form[data-compare]").forEach(countSelected);
    fitFrames(part);
    all("[data-live=history] .drawing-frame").forEach((frame) => { frame.scrollLeft = frame.scrollWidth; }); // the newest
  }

  // A run in progress --------------------------------------------------------------------------------------------
  const EVERY = 1000; // milliseconds between requests
  const LATE = 5000; // after a failed request, and in a hidden tab

  function states(part) {
    const found = new Map();
    part.querySelectorAll("[data-live=nodes] tbody tr").forEach((row) => {
      found.set(row.cells[0].textContent.trim(), row.cells[1].textContent.trim());
    });
    return found;
  }

  function replace(old, fresh) {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const same = (one) => active.id ? one.id === active.id : one.getAttribute("href") === active.getAttribute("href") && one.textContent === active.textContent;
    const all = (part, selector) => Array.from(part.querySelectorAll(selector));
    const open = all(old, "details").map((one) => one.open);
    const scrolled = all(old, ".drawing-frame, .scroll").map((one) => one.scrollLeft);
    const chosen = new Set(all(old, "input:checked").map((one) => one.value));
    const focused = active && all(fresh, active.tagName).find(same);
    old.replaceWith(fresh);
    dress(fresh);
    all(fresh, "details").forEach((one, number) => { one.open = open[number] || false; });
    all(fresh, ".drawing-frame, .scroll").forEach((one, number) => { one.scrollLeft = scrolled[number] || 0; });
    all(fresh, "input[type=checkbox]").forEach((one) => { one.checked = chosen.has(one.value); });
    if (focused) focused.focus({ preventScroll: true });
  }

  function follow(main) {
    const seen = new Map(); // HTML of each part as it was loaded; scripts have changed it since
    main.querySelectorAll("[data-live]").forEach((part) => seen.set(part.dataset.live, part.outerHTML));
    let before = states(main);

    function show(page) {
      const fresh = page.getElementById("main");
      const parts = new Map(Array.from(fresh.querySelectorAll("[data-live]")).map((part) => [part.dataset.live, part]));
      const now = states(fresh);
      const news = [];
      now.forEach((state, node) => {
        if (before.get(node) !== state && state !== "waiting") news.push(node + ": " + state);
      });
      before = now;
      const here = Array.from(main.querySelectorAll("[data-live]"));
      if (here.length === parts.size && here.every((part) => parts.has(part.dataset.live))) {
        here.forEach((part) => {
          const name = part.dataset.live;
          const text = parts.get(name).outerHTML;
          if (seen.get(name) !== text) {
            seen.set(name, text);
            replace(part, document.importNode(parts.get(name), true));
          }
        });
      } else { // parts were added or removed
        const copy = document.importNode(fresh, true);
        replace(main, copy);
        main = copy;
        main.querySelectorAll("[data-live]").forEach((part) => seen.set(part.dataset.live, parts.get(part.dataset.live).outerHTML));
      }
      const going = fresh.hasAttribute("data-follow");
      if (!going) {
        main.removeAttribute("data-follow");
        const state = fresh.querySelector("[data-state]");
        news.push(state ? "The run ended: " + state.textContent.trim() : "No run is in progress");
      }
      if (news.length) announce(news.join(", "));
      return going;
    }

    async function load() {
      try {
        const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (show(page)) setTimeout(load, document.hidden ? LATE : EVERY);
      } catch (error) {
        announce("The server does not respond. Retrying.");
        setTimeout(load, LATE);
      }
    }
    setTimeout(load, EVERY);
  }

  dress(document.body);
  window.addEventListener("resize", () => fitFrames(document.body));
  const main = document.getElementById("main");
  if (main.hasAttribute("data-follow") && location.protocol.startsWith("http")) follow(main);
})();
