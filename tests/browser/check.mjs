// Every page of the rendered book in a real browser, with the network closed. Started by `make browser`.
//
//     node check.mjs [HTML FOLDER] [--only PART OF A PAGE'S NAME] [--look light|dark|phone] [--shots FOLDER]
//
// Each page is opened light, dark, and on a phone. Prints one line per fault and counts; exit status 1 if there is a fault.

import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const options = process.argv.slice(2);
const option = (name) => (options.includes(name) ? options.splice(options.indexOf(name), 2)[1] : undefined);
const only = option("--only"), onlyLook = option("--look"), shots = option("--shots");
const html = path.resolve(options[0] ?? path.join(here, "../../book/_build/html"));
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LOOKS = {
  light: { theme: "light", width: 1300, height: 900 },
  dark: { theme: "dark", width: 1300, height: 900 },
  phone: { theme: "light", width: 390, height: 844 },
};
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const SKIPPED = ["_modules", "_static", "_sources", "_images", "_downloads", "_sphinx_design_static"];

function pages() {
  const found = readdirSync(html, { recursive: true, encoding: "utf8" });
  const shown = found.filter((name) => name.endsWith(".html") && !SKIPPED.includes(name.split(path.sep)[0]));
  const moves = (name) => readFileSync(path.join(html, name), "utf8").includes('http-equiv="Refresh"');  // to another page
  return shown.filter((name) => (!only || name.includes(only)) && !moves(name)).sort();
}

// What a page says of itself, gathered inside the browser.
async function inspect() {
  const figures = [];
  for (const image of document.querySelectorAll("main img")) {
    await image.decode().catch(() => {});
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    let colours = new Set(["unread", "unread too"]);  // an image from a file may be shown but not read
    try {
      pen.drawImage(image, 0, 0, 64, 64);
      colours = new Set(new Uint32Array(pen.getImageData(0, 0, 64, 64).data.buffer));
    } catch { /* as above */ }
    const size = image.getBoundingClientRect();
    const folded = !image.checkVisibility();
    const empty = !image.naturalWidth || colours.size < 2 || (!folded && size.width * size.height < 100);
    figures.push({ alt: image.alt, empty });
  }
  const mathematics = [...document.querySelectorAll(".math")];
  const root = document.scrollingElement;
  return {
    figures,
    title: document.title,
    description: document.querySelector('meta[name="description"]')?.content ?? "",
    mathematics: mathematics.length,
    unset: mathematics.filter((m) => !m.querySelector("mjx-container")).map((m) => m.textContent.slice(0, 60)),
    wrong: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map((m) => m.textContent.slice(0, 60)),
    links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
    ids: [...document.querySelectorAll("[id], a[name]")].map((e) => e.id || e.name),
    tooWide: root.scrollWidth - root.clientWidth,
  };
}

// What is shown only in part: code and figures must fit their boxes; a table may scroll in a box that shows that it does.
function cutOff() {
  const faults = [];
  for (const shown of document.querySelectorAll("main pre, main img, main table, main figure.nasnb svg")) {
    if (!shown.checkVisibility()) continue;
    for (let box = shown; box && box.tagName !== "MAIN"; box = box.parentElement) {
      if (getComputedStyle(box).overflowX === "visible" || box.scrollWidth <= box.clientWidth + 1) continue;
      const says = box.classList.contains("scrolls") && getComputedStyle(box).maskImage !== "none";
      const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
      if (shown.tagName === "TABLE" && says && scrolls) break;
      const what = shown.alt || shown.textContent.trim();
      faults.push(`${shown.tagName.toLowerCase()} of ${box.scrollWidth} pixels in ${box.clientWidth}: ${what.slice(0, 60)}`);
      break;
    }
  }
  return faults;
}

// Sliders, sorting and filters tried once; returns what did not happen.
function interact() {
  const wrong = [];
  for (const control of document.querySelectorAll("figure.nasnb select, figure.nasnb input")) {  // each end shows something else
    const figure = control.closest("figure"), ends = control.options ? [...control.options].map((o) => o.value) : [control.min, control.max];
    const looks = ends.map((value) => {
      control.value = value;
      for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, { bubbles: true }));
      return figure.innerText + [...figure.querySelectorAll("svg rect")].map((bar) => bar.getAttribute("width"));
    });
    if (new Set(looks).size < Math.min(2, ends.length)) wrong.push(`${control.type} of a figure`);
  }
  for (const range of document.querySelectorAll("figure.nasnb:has(output) input[type=range]")) {
    const figure = range.closest("figure"), shown = () => [...figure.querySelectorAll("[data-frame]")].map((f) => !f.hidden);
    for (const value of [0, Number(range.max)]) {
      range.value = value;
      range.dispatchEvent(new Event("input", { bubbles: true }));
      const fine = shown().every((visible, i) => visible === (i === value));
      if (!fine || !figure.querySelector("output").textContent) wrong.push(`slider at ${value}`);
    }
  }
  for (const box of document.querySelectorAll("div.sortable")) {
    const rows = [...box.querySelectorAll("tbody tr")], text = () => box.querySelector("tbody").textContent;
    const differ = (i) => new Set(rows.map((row) => row.cells[i].textContent)).size > 1;
    const buttons = [...box.querySelectorAll("thead button")];
    const button = buttons.find((_, i) => i > 0 && differ(i)) ?? buttons[0], filter = box.previousElementSibling?.querySelector("input[type=search]");
    const [before, up, down] = [text(), (button.click(), text()), (button.click(), text())];
    if (rows.length > 2 && (up === down || up.length !== before.length)) wrong.push("sorting of a table");
    if (!filter) continue;  // a short table
    filter.value = "no such words";
    filter.dispatchEvent(new Event("input"));
    if (rows.some((row) => !row.hidden)) wrong.push("filter of a table");
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
    if (rows.some((row) => row.hidden)) wrong.push("filter of a table, emptied");
  }
  return wrong;
}

async function accessibility(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate((tags) => axe.run(document, {
    runOnly: { type: "tag", values: tags }, resultTypes: ["violations"],
  }), RULES);
  return violations.map((v) => `${v.id} (${v.impact}, ${v.nodes.length} places): ${v.help}: `
    + `${v.nodes[0].target.join(" ")} ${(v.nodes[0].any[0] ?? v.nodes[0].all[0] ?? v.nodes[0].none[0])?.message ?? ""}`);
}

async function visit(context, name, look, count) {
  const faults = [], outside = [], page = await context.newPage();
  const fault = (kind, text) => (count[kind]++, faults.push(`${name} (${look}): ${kind}: ${text}`));
  page.on("console", (message) => message.type() === "error" && fault("console errors", message.text()));
  page.on("pageerror", (error) => fault("console errors", error.message));
  page.on("request", (request) => /^(file|data|blob):/.test(request.url()) || outside.push(request.url()));
  await page.goto(pathToFileURL(path.join(html, name)).href, { waitUntil: "load" });
  await page.evaluate(() => window.MathJax?.startup?.promise);
  const seen = await page.evaluate(inspect);
  for (const url of new Set(outside)) fault("requests outside", url);
  if (seen.tooWide > 0) fault("horizontal scrolling", `${seen.tooWide} pixels too wide`);
  for (const { alt } of seen.figures.filter((f) => f.empty)) fault("empty figures", alt);
  for (const text of seen.unset) fault("unset mathematics", text);
  for (const text of seen.wrong) fault("unset mathematics", `error in ${text}`);
  if (!seen.title || (name.startsWith("book/") && !seen.description)) fault("title or description", "missing");
  for (const text of await page.evaluate(cutOff)) fault("cut off", text);
  count.figures += seen.figures.length;
  count.formulas += seen.mathematics;
  for (const text of await accessibility(page)) fault("accessibility violations", text);
  for (const text of await page.evaluate(interact)) fault("dead controls", text);
  const word = page.locator("main a.term").locator("visible=true").first();  // a term shows its text, network or not
  if (await word.count()) {
    await word.hover({ timeout: 5000 }).catch(() => word.focus());  // where something lies over it
    const [tip, shown] = await word.evaluate((term) => [term.dataset.tip, getComputedStyle(term, "::after").content]);
    if (!tip || !shown.includes(tip.slice(0, 10))) fault("words without their text", await word.textContent());
  }
  if (shots) {
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: path.join(shots, `${name.replaceAll("/", "-")}-${look}.png`), fullPage: true })
      .catch((error) => console.log(`${name} (${look}): no picture: ${error.message.split("\n")[0]}`));
  }
  await page.close();
  return { faults, links: seen.links, ids: new Set(seen.ids) };
}

const idsInFile = new Map();
function hasPlace(file, id, visited) {
  const name = path.relative(html, file);
  if (visited.get(name)?.has(id)) return true;
  if (!idsInFile.has(file)) {
    const found = readFileSync(file, "utf8").matchAll(/\s(?:id|name)="([^"]+)"/g);
    idsInFile.set(file, new Set([...found].map((match) => match[1])));
  }
  return idsInFile.get(file).has(id);
}

function checkLinks(links, visited, count) {
  const faults = [];
  for (const [name, hrefs] of links) {
    for (const href of new Set(hrefs)) {
      if (!href.startsWith("file:")) continue;
      count.links++;
      const url = new URL(href), file = fileURLToPath(new URL(url.pathname, "file://"));
      const id = decodeURIComponent(url.hash.slice(1));
      const fine = existsSync(file) && (!id || !file.endsWith(".html") || hasPlace(file, id, visited));
      if (!fine) {
        count["broken links"]++;
        faults.push(`${name}: broken links: ${path.relative(html, file)}${url.hash}`);
      }
    }
  }
  return faults;
}

let told = 0;
function tell(faults) {
  for (const line of faults) console.log(line);
  told += faults.length;
}

const count = {
  pages: 0, views: 0, figures: 0, formulas: 0, links: 0,
  "requests outside": 0, "console errors": 0, "accessibility violations": 0, "horizontal scrolling": 0, "cut off": 0,
  "empty figures": 0, "unset mathematics": 0, "dead controls": 0, "words without their text": 0, "title or description": 0, "broken links": 0,
};
if (!existsSync(path.join(html, "index.html"))) {
  console.log(`no book in ${html}: run make book first`);
  process.exit(1);
}
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"],
});
const visited = new Map(), links = new Map(), names = pages();
for (const [look, { theme, width, height }] of Object.entries(LOOKS)) {
  if (onlyLook && look !== onlyLook) continue;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, offline: true });
  await context.route(/^(?!file:|data:|blob:)/, (route) => route.abort());
  await context.addInitScript((mode) => {
    localStorage.setItem("mode", mode);
    localStorage.setItem("theme", mode);
  }, theme);
  for (const name of names) {
    const seen = await visit(context, name, look, count);
    tell(seen.faults);
    visited.set(name, new Set([...(visited.get(name) ?? []), ...seen.ids]));
    links.set(name, [...(links.get(name) ?? []), ...seen.links]);
    count.views++;
  }
  await context.close();
}
await browser.close();
count.pages = names.length;
tell(checkLinks(links, visited, count));
console.log(Object.entries(count).map(([what, n]) => `${what}: ${n}`).join(", "));
process.exit(told ? 1 : 0);
