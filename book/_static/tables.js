/* Tables in a box of class `sortable`: a filter above, and a button in every column's head that sorts by it. */
function sortValue(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(",", ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
}
function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");  // what is missing goes last, in both directions
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : a.localeCompare(b);
}
function sortBy(table, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("thead th").forEach((th) => th.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [sortValue(row, column), row]);
  keyed.sort(([a], [b]) => (down && a !== "" && b !== "" ? compare(b, a) : compare(a, b)));
  body.append(...keyed.map(([, row]) => row));
}
function filterable(box, table) {
  const label = document.createElement("label"), input = document.createElement("input");
  const count = document.createElement("output");
  input.type = "search";
  label.append("Filter ", input, " ", count);
  label.className = "table-filter";
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length}` : "";
  });
  box.before(label);
}
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("div.sortable")) {
    const table = box.querySelector("table");
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sortBy(table, head, column));
      head.replaceChildren(button);
    });
    filterable(box, table);
  }
});
