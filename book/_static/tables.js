/* Tables in a box of class `sortable`: a filter above, a menu for columns that ask for one, sorting by every head. */
function sortValue(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(",", ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
}
function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === "");  // what is missing goes last, in both directions
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;  // and words after numbers
  return typeof a === "number" ? a - b : a.localeCompare(b);
}
function sortBy(table, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("thead th").forEach((th) => th.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [sortValue(row, column), row]);
  keyed.sort(([a], [b]) => (down && a !== "" && b !== "" && typeof a === typeof b ? compare(b, a) : compare(a, b)));
  body.append(...keyed.map(([, row]) => row));
}
/* A menu of the values of one column; what a cell says after a line break does not count. */
function menu(table, head, column) {
  const label = document.createElement("label"), select = document.createElement("select");
  const value = (row) => row.cells[column].firstChild?.textContent.trim() ?? "";
  const values = [...new Set([...table.tBodies[0].rows].map(value))].filter(Boolean);
  select.append(new Option("all", ""), ...values.map((each) => new Option(each)));
  label.append(`${head.textContent} `, select, " ");
  return { label, select, fits: (row) => !select.value || value(row) === select.value };
}
function filterable(box, table, menus) {
  const tools = document.createElement("div"), label = document.createElement("label");
  const input = document.createElement("input"), count = document.createElement("output");
  input.type = "search";
  label.append("Filter ", input, " ");
  tools.append(label, ...menus.map((each) => each.label), count);
  tools.className = "table-filter";
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word)) && menus.every((each) => each.fits(row)));
      shown += !row.hidden;
    }
    const chosen = words.length || menus.some((each) => each.select.value);
    count.textContent = chosen ? `${shown} of ${table.tBodies[0].rows.length}` : "";
  };
  input.addEventListener("input", apply);
  for (const { select } of menus) select.addEventListener("change", apply);
  box.before(tools);
}
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("div.sortable")) {
    const table = box.querySelector("table");
    const heads = [...table.querySelectorAll("thead th")];
    const menus = heads.flatMap((head, i) => ("choose" in head.dataset ? [menu(table, head, i)] : []));
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sortBy(table, head, column));
      head.replaceChildren(button);
    });
    if (menus.length || table.tBodies[0].rows.length > 12) filterable(box, table, menus);
  }
});
