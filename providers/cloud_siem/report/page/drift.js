"use strict";
(() => {
  // All text goes in as text, never as markup.
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const PAGE = 300; // rows shown at once; more at a button's press, so that thousands stay quick

  // --- colors ---
  const theme = $("#theme");
  theme.parentElement.hidden = false;
  theme.addEventListener("change", () => {
    if (theme.value) document.documentElement.dataset.theme = theme.value;
    else delete document.documentElement.dataset.theme;
  });
  for (const one of $$(".js-only")) one.hidden = false;

  // --- findings ---
  const form = $("#filters");
  const more = $("#more");
  let limit = PAGE;
  const rows = $$("#rows tbody tr").map((element) => ({
    element,
    stack: element.cells[0].textContent,
    kind: element.cells[1].firstElementChild.textContent,
    mark: element.cells[1].children[1]?.textContent ?? "",
    product: element.dataset.product,
    text: `${element.cells[0].textContent} ${element.cells[2].textContent}`.toLowerCase(),
    shown: true,
  }));

  function filter() {
    const wanted = Object.fromEntries(new FormData(form));
    const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (row) =>
      (!wanted.stack || row.stack === wanted.stack) &&
      (!wanted.product || row.product === wanted.product) &&
      (!wanted.kind || row.kind === wanted.kind) &&
      (!wanted.mark || row.mark === wanted.mark) &&
      words.every((word) => row.text.includes(word));
    let found = 0;
    for (const row of rows) {
      const shown = matches(row) && ++found <= limit;
      if (shown !== row.shown) row.element.hidden = !(row.shown = shown);
    }
    more.hidden = found <= limit;
    const first = found > limit ? `, the first ${limit} shown` : "";
    $("#shown").textContent = `${found} of ${rows.length} findings${first}`;
  }

  if (form) {
    form.hidden = false;
    const again = () => { limit = PAGE; filter(); };
    form.addEventListener("input", again);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", (event) => { event.preventDefault(); press(null); clear(); });
    more.addEventListener("click", () => { limit += PAGE; filter(); });
    // On paper there is no button: all that the filter lets through is printed.
    let before = PAGE;
    addEventListener("beforeprint", () => { before = limit; limit = Infinity; filter(); });
    addEventListener("afterprint", () => { limit = before; filter(); });
    filter();
  }

  function clear() {
    for (const name of ["stack", "product", "kind", "mark", "text"]) {
      if (form?.elements[name]) form.elements[name].value = "";
    }
    limit = PAGE;
    if (form) filter();
  }

  function choose(name, value) {
    const select = form.elements[name];
    // What has no findings is no option; then none are shown, which is right.
    if (![...select.options].some((one) => one.value === value)) select.add(new Option(value));
    select.value = value;
  }

  // --- matrix ---
  const STATES = { o: "open", c: "closed", "-": "not listed" };
  const DECLARED = { o: "open", c: "closed", "-": "" };
  const KINDS = ["drifted", "missing", "unapplied", "unmanaged", "inoperable", "expired", "ignored"];
  const codes = JSON.parse($("#codes").textContent);
  const matrix = $("#matrix");
  const panel = $("#cell");
  let current = $(".cell", matrix);
  let pressed = null;
  if (current) current.tabIndex = 0;

  function press(button) {
    pressed?.removeAttribute("aria-pressed");
    pressed = button;
    panel.hidden = !button;
    button?.setAttribute("aria-pressed", "true");
  }

  function show(button) {
    const column = button.parentElement.cellIndex;
    const stack = button.closest("tr").cells[0].childNodes[1].textContent;
    const product = matrix.tHead.rows[0].cells[column].textContent;
    const body = $("tbody", panel);
    body.replaceChildren();
    codes[column - 1].forEach((log, at) => {
      const [observed, declared, kind] = button.dataset.logs.slice(3 * at, 3 * at + 3);
      if (observed === " ") return;
      const row = body.insertRow();
      const words = [log, STATES[observed], DECLARED[declared] || "no", KINDS[kind] ?? ""];
      for (const word of words) row.insertCell().textContent = word;
      if (KINDS[kind]) row.cells[3].className = `k ${KINDS[kind]}`;
    });
    $("#cell-title").textContent = `${product} in ${stack}`;
    press(button);
    if (form) {
      clear();
      choose("stack", stack);
      choose("product", product);
      filter();
    }
  }

  function move(from, rows, columns) {
    const cell = from.parentElement;
    const body = matrix.tBodies[0];
    let row = cell.parentElement.sectionRowIndex;
    let column = cell.cellIndex;
    for (;;) { // past what the account does not list
      row += rows;
      column += columns;
      const next = body.rows[row]?.cells[column];
      if (!next || column < 1) return null;
      if (next.firstElementChild?.matches(".cell")) return next.firstElementChild;
    }
  }

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  matrix.addEventListener("keydown", (event) => {
    const button = event.target.closest(".cell");
    const next = button && ARROWS[event.key] && move(button, ...ARROWS[event.key]);
    if (!button || !ARROWS[event.key]) return;
    event.preventDefault();
    next?.focus();
  });
  matrix.addEventListener("focusin", (event) => {
    const button = event.target.closest(".cell");
    if (!button) return;
    current.tabIndex = -1;
    current = button;
    current.tabIndex = 0;
  });
  matrix.addEventListener("click", (event) => {
    const button = event.target.closest(".cell");
    if (!button) return;
    show(button);
    $("#cell-title").focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
  });
  $("#close").addEventListener("click", () => {
    const button = pressed;
    press(null);
    clear();
    button?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && pressed) $("#close").click();
  });
  performance.mark("ready");
})();
