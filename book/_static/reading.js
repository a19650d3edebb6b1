/* Reading: glossary texts in a box of their own, figures to be enlarged on a phone, a filter over all tables of a page. */
function glossaryTips() {
  for (const link of document.querySelectorAll("a.reference[title] > .std-term")) {
    const term = link.parentElement;
    term.dataset.tip = term.title;
    term.setAttribute("aria-description", term.title);
    term.removeAttribute("title");
    term.classList.add("term");
    term.addEventListener("pointerenter", () => {  // towards the side that has room
      term.classList.toggle("tip-left", term.getBoundingClientRect().left > innerWidth / 2);
    });
  }
}
function enlargeableFigures() {
  for (const figure of document.querySelectorAll("figure.nasnb")) {
    const image = [...figure.querySelectorAll("img, svg[role=img]")].find((each) => each.checkVisibility());
    const width = image && (Number(image.getAttribute("width")) || image.viewBox.baseVal.width);
    if (!image || image.getBoundingClientRect().width > 0.9 * width) continue;
    if (figure.querySelector(".enlarge")) continue;
    const button = document.createElement("button");
    button.className = "enlarge";
    button.type = "button";
    button.textContent = "Enlarge";
    button.addEventListener("click", () => {
      button.textContent = figure.classList.toggle("enlarged") ? "Fit to the page" : "Enlarge";
      dispatchEvent(new Event("resize"));
    });
    figure.prepend(button);
  }
}
/* Photographs stay as they are in the dark; drawings turn light on dark by the style sheet. */
function markPhotographs() {
  for (const image of document.querySelectorAll("figure.nasnb img[src^='data:image/svg+xml;base64,']")) {
    if (atob(image.src.split(",")[1]).includes("<image")) image.closest("figure").classList.add("photographs");
  }
}
function filterPage() {
  const place = document.querySelector("div.filter-page");
  if (!place) return;
  const label = document.createElement("label"), input = document.createElement("input"), count = document.createElement("output");
  input.type = "search";
  label.append("Filter all tables of this page ", input, " ");
  place.append(label, count);
  const tables = [...document.querySelectorAll("main table")], rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const sections = [...document.querySelectorAll("main section")].filter((section) => section.querySelector("table"));
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const title = row.closest("section").parentElement.querySelector("h2")?.textContent ?? "";
      const text = `${title} ${row.textContent}`.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    for (const section of sections) {
      const empty = ![...section.querySelectorAll("tbody tr")].some((row) => !row.hidden);
      section.classList.toggle("nothing-left", words.length > 0 && empty && section.querySelector("h1") === null);
    }
    count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines` : "";
  };
  input.addEventListener("input", apply);
}
/* What scrolls sideways says so at its edge. */
function markScrolling() {
  for (const box of document.querySelectorAll("main div, main pre")) {
    const style = getComputedStyle(box).overflowX;
    if (style !== "auto" && style !== "scroll") continue;
    box.classList.toggle("scrolls", box.scrollWidth > box.scrollLeft + box.clientWidth + 1);
  }
}
/* Written tables of four columns or more become cards on a phone; tables of numbers stay tables and scroll. */
function nameCells() {
  for (const table of document.querySelectorAll(".pst-scrollable-table-container > table")) {
    const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    if (names.length < 4) continue;
    table.classList.add("cards");
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => { cell.dataset.label = names[i]; });
  }
}
addEventListener("load", () => {
  nameCells();
  glossaryTips();
  markPhotographs();
  enlargeableFigures();
  filterPage();
  markScrolling();
});
addEventListener("resize", markScrolling);
addEventListener("scroll", (event) => event.target !== document && markScrolling(), true);
addEventListener("toggle", () => { enlargeableFigures(); markScrolling(); }, true);  // details that open show more
addEventListener("beforeprint", () => {  // what is folded on the screen is printed, plumbing aside
  for (const fold of document.querySelectorAll("main details.run-box, main div.findings details, main details.symbols")) fold.open = true;
});
