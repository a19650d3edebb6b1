/* What the theme leaves undone for keyboards and screen readers. Nothing here is needed to read a page. */
const SCROLLING = "figure.nasnb div, div.math, .cell_output .output, div.highlight pre, .pst-scrollable-table-container";
function reachScrolling() {
  for (const box of document.querySelectorAll(SCROLLING)) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
    if (scrolls && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  }
}
function nameControls() {
  const sidebar = document.querySelector(".bd-sidebar-primary");
  if (sidebar && sidebar.tagName === "DIV") {
    sidebar.setAttribute("role", "region");
    sidebar.setAttribute("aria-label", "Book");
  }
  for (const named of document.querySelectorAll(".search-button-field, details > summary")) named.removeAttribute("aria-label");
  for (const fold of document.querySelectorAll(".bd-sidebar-primary details > summary")) fold.setAttribute("aria-label", "its pages");
  for (const entry of document.querySelectorAll("[role=doc-biblioentry], .citation-list")) entry.removeAttribute("role");
  for (const list of document.querySelectorAll("dt.sig > dl")) {  // parameters on lines of their own, not terms
    const lines = [...list.children].map((line) => Object.assign(document.createElement("div"), { innerHTML: line.innerHTML }));
    for (const line of lines) line.style.marginLeft = "2rem";
    list.replaceWith(...lines);
  }
  for (const icon of document.querySelectorAll(".theme-switch-button svg")) {
    icon.removeAttribute("role");
    icon.setAttribute("aria-hidden", "true");
    icon.querySelector("title")?.remove();
  }
}
addEventListener("load", () => {
  reachScrolling();
  nameControls();
  requestAnimationFrame(nameControls);
});
addEventListener("resize", reachScrolling);
addEventListener("input", reachScrolling);
