// The book as one PDF: every page but the reference as Chromium prints it, in the order of _toc.yml, with an outline. Started by `make pdf`.
//
//     node pdf.mjs [HTML FOLDER] [--only PART OF A PAGE'S NAME]

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PDFDocument, PDFHexString } from "pdf-lib";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url)), root = path.join(here, "../..");
const options = process.argv.slice(2);
const only = options.includes("--only") ? options.splice(options.indexOf("--only"), 2)[1] : undefined;
const html = path.resolve(options[0] ?? path.join(root, "book/_build/html"));
const toc = readFileSync(path.join(root, "_toc.yml"), "utf8").matchAll(/(?:root|file): (\S+)/g);
// The reference of the package is left out, which is half of all pages and is looked up, not read.
const names = [...toc].map((match) => match[1]).filter((name) => (only ? name.includes(only) : !name.startsWith("book/api")));
if (!existsSync(path.join(html, "index.html"))) {
  console.log(`no book in ${html}: run make book first`);
  process.exit(1);
}

// Titles beside the pages, as readers show them: items linked to their neighbours and to the first page of each chapter.
function addOutline(book, entries) {
  const { context, catalog } = book, top = context.nextRef(), refs = entries.map(() => context.nextRef());
  entries.forEach(({ title, page }, i) => context.assign(refs[i], context.obj({
    Title: PDFHexString.fromText(title), Parent: top, Dest: [page.ref, "Fit"],
    ...(i > 0 && { Prev: refs[i - 1] }), ...(i + 1 < refs.length && { Next: refs[i + 1] }),
  })));
  context.assign(top, context.obj({ Type: "Outlines", First: refs[0], Last: refs.at(-1), Count: refs.length }));
  catalog.set(context.obj("Outlines"), top);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"],
});
const context = await browser.newContext({ offline: true }), book = await PDFDocument.create(), entries = [];
for (const name of names) {
  const page = await context.newPage();
  await page.goto(pathToFileURL(path.join(html, `${name}.html`)).href, { waitUntil: "load" });
  await page.evaluate(() => window.MathJax?.startup?.promise);
  const margin = { top: "15mm", bottom: "15mm", left: "15mm", right: "15mm" };
  const printed = await PDFDocument.load(await page.pdf({ format: "A4", margin }));
  const pages = await book.copyPages(printed, printed.getPageIndices());
  pages.forEach((each) => book.addPage(each));
  entries.push({ title: (await page.title()).split(" — ")[0], page: pages[0] });
  console.log(`${name}: ${pages.length} pages`);
  await page.close();
}
await browser.close();
addOutline(book, entries);
const target = path.join(path.dirname(html), "book.pdf");
writeFileSync(target, await book.save());
console.log(`${book.getPageCount()} pages: ${target}`);
