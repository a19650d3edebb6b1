// Every chapter in JupyterLab, run by a browser as a reader would: opened, "Run All Cells", looked at. Started by
// `make browser-lab`.
//
//     node lab.mjs [CHAPTER ...] [--shots FOLDER]
//
// The chapters are copied to a folder of their own and set to the smoke preset there. Prints one line per chapter; exit
// status 1 if a cell raised, a figure is missing or, in a chapter that searches, no progress was seen.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
const options = process.argv.slice(2);
const at = options.indexOf("--shots");
const shots = at >= 0 ? options.splice(at, 2)[1] : undefined;
const folder = mkdtempSync(path.join(tmpdir(), "nasnb-lab-"));
const PORT = 8917, TOKEN = "nasnb", PATIENCE = 600_000; // milliseconds for one chapter
const all = readdirSync(path.join(root, "notebooks")).filter((name) => /^\d.*\.ipynb$/.test(name));
const chapters = options.length ? all.filter((name) => options.some((given) => name.includes(given))) : all;

for (const name of chapters) {
  const text = readFileSync(path.join(root, "notebooks", name), "utf8");
  writeFileSync(path.join(folder, name), text.replace('preset = \\"laptop\\"', 'preset = \\"smoke\\"'));
}
symlinkSync(path.join(root, "figures"), path.join(folder, "figures")); // what was kept, as beside the chapters
const python = path.join(root, ".venv/bin/python");
const lab = spawn(python, ["-m", "jupyterlab", "--no-browser", `--port=${PORT}`, "--ServerApp.port_retries=0", `--IdentityProvider.token=${TOKEN}`,
  `--ServerApp.root_dir=${folder}`, "--allow-root", `--LabApp.workspaces_dir=${folder}/.workspaces`], { stdio: "ignore" });

async function served() {
  for (let tries = 0; tries < 120; tries++) {
    const answer = await fetch(`http://127.0.0.1:${PORT}/api?token=${TOKEN}`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((wake) => setTimeout(wake, 500));
  }
  throw new Error("JupyterLab did not start");
}

async function idle(page, patience) {
  const status = () => /\| Idle/.test(document.querySelector("#jp-main-statusbar")?.innerText ?? "");
  await page.waitForFunction(status, null, { timeout: patience, polling: 500 });
}

// Cells in sight that wait for their turn.
function waiting() {
  return [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].filter((prompt) => prompt.innerText.includes("[*]")).length;
}

async function run(browser, name) {
  const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } });
  const said = [];
  page.on("pageerror", (error) => said.push(error.message.slice(0, 200)));
  let bar = false; // JupyterLab draws only what is in sight, so the bar is looked for in what arrives
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => { bar ||= /\d+%\|/.test(payload.toString()); }));
  await page.goto(`http://127.0.0.1:${PORT}/lab/tree/${name}?token=${TOKEN}&reset`);
  await page.waitForSelector(".jp-Notebook .jp-Cell", { timeout: 60_000 });
  await idle(page, 90_000);
  await page.click("text=Run >> nth=0");
  await page.click('text="Run All Cells"');
  const began = Date.now();
  let quiet = 0;
  while (quiet < 6 && Date.now() - began < PATIENCE) {
    await page.waitForTimeout(500);
    const busy = (await page.evaluate(waiting)) || !/\| Idle/.test(await page.innerText("#jp-main-statusbar"));
    quiet = busy ? 0 : quiet + 1;
  }
  if (shots) {
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: path.join(shots, `${name}.png`) });
  }
  await page.keyboard.press("Control+s");
  await page.waitForTimeout(1500);
  const cells = JSON.parse(readFileSync(path.join(folder, name), "utf8")).cells.filter((cell) => cell.cell_type === "code");
  const ran = cells.filter((cell) => cell.execution_count).length;
  const outputs = cells.flatMap((cell) => cell.outputs);
  const failed = outputs.filter((output) => output.output_type === "error").length;
  const figures = outputs.filter((output) => JSON.stringify(output.data?.["text/html"] ?? "").includes("nasnb")).length;
  await page.close();
  const searches = cells.some((cell) => cell.source.join("").includes("run_search"));
  const good = ran === cells.length && !failed && figures > 0 && (bar || !searches) && !said.length;
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(`${name}: ${ran} of ${cells.length} cells, ${failed} errors, ${figures} figures, bar ${bar ? "" : "not "}seen, ` +
    `${said.length} page errors, ${seconds} s${said.length ? `: ${said[0]}` : ""}`);
  return good;
}

let bad = 0;
try {
  await served();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-quic"] });
  for (const name of chapters) if (!(await run(browser, name))) bad++;
  await browser.close();
} finally {
  lab.kill();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${chapters.length - bad} passed, ${bad} failed`);
process.exit(bad ? 1 : 0);
