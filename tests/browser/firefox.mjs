/* Drives Firefox over WebDriver BiDi: a job a line from standard input, its answer a line on standard output.
 *
 * node firefox.mjs FOLDER-OF-PACKAGES FIREFOX FOLDER-OF-DOWNLOADS
 * {"job": name, "url": address, ...what the job needs} -> {"value": ...} or {"error": text},
 * each with what the page complained of and the addresses that it asked for.
 */

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [packages, executablePath, downloads] = process.argv.slice(2);
const found = createRequire(`${packages}/`).resolve("puppeteer-core");
const { default: puppeteer } = await import(pathToFileURL(found).href);

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  extraPrefsFirefox: {
    "browser.download.folderList": 2,
    "browser.download.dir": downloads,
    "browser.download.alwaysOpenPanel": false,
    "browser.helperApps.neverAsk.saveToDisk": "application/json,text/csv,image/png,image/jpeg",
  },
});

const text = (page, selector) => page.$eval(selector, (node) => node.textContent.trim());
const press = async (page, keys) => {
  for (const key of keys.split(" ")) await page.keyboard.press(key);
};
const focus = (page, n = 0) => page.evaluate((i) => document.querySelectorAll(".cell")[i].focus(), n);

const jobs = {
  /* How many combinations are shown, and whether every picture is drawn. */
  async opens(page) {
    await page.waitForFunction(() =>
      [...document.querySelectorAll(".cell img")].every((img) => img.complete && img.naturalWidth > 0),
    );
    return { cells: (await page.$$(".cell")).length, said: await text(page, "#tagline") };
  },

  /* The keys of a whole review; the export goes to the folder of downloads. */
  async judges(page, { keys, kind }) {
    await focus(page);
    await press(page, keys);
    const said = await page.$eval("dialog[open] [data-spoken]", (node) => node.textContent.trim());
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.querySelector("#viewer").open);
    await page.click("#review-open");
    await page.waitForSelector("#review[open]");
    await page.click(`#export-${kind}`);
    return said;
  },

  /* Magnified by a key, moved by dragging, back, and by the wheel. */
  async magnifies(page) {
    await focus(page);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#stage img");
    const of = (name) => page.$eval("#stage", (node, one) => node.style.getPropertyValue(one), name);
    await page.keyboard.press("z");
    await page.waitForSelector("#stage.zoomed");
    const said = await text(page, "#zoom-now");
    const { x, y } = await page.$eval("#stage .frame", (node) => {
      const box = node.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    });
    const before = await of("--px");
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 60, y, { steps: 4 });
    await page.mouse.up();
    const moved = (await of("--px")) !== before;
    await page.keyboard.press("z");
    await page.waitForSelector("#stage:not(.zoomed)");
    await page.mouse.wheel({ deltaY: -240 });
    await page.waitForSelector("#stage.zoomed");
    return { said, moved };
  },

  /* A pair of variants judged without names. */
  async compares(page) {
    await page.click("#compare");
    await page.waitForSelector("#stage .choice .frame");
    const names = await page.$$eval("#stage .choice", (all) => all.map((one) => one.textContent));
    await press(page, "1 2");
    return names;
  },

  /* Filters kept in the address are there again. */
  async filters(page) {
    await page.click("#filters-open");
    await page.$eval("[data-filter=garment] input[type=checkbox]", (box) => box.click());
    const [shown, address] = [await text(page, "#shown"), page.url()];
    await page.goto("about:blank");
    await page.goto(address);
    await page.waitForSelector("#shown:not(:empty)");
    return [shown, await text(page, "#shown")];
  },

  /* A colleague's file read in. */
  async imports(page, { file }) {
    await page.click("#review-open");
    await (await page.$("#import-files")).uploadFile(file);
    await page.waitForSelector("#imported:not(:empty)");
    return text(page, "#imported");
  },

  /* Closing a sheet, making pictures larger and a narrower window leave the focus where it is. */
  async keepsFocus(page) {
    const held = () => page.evaluate(() => document.activeElement.dataset.id ?? document.activeElement.tagName);
    await page.click("#review-open");
    await page.evaluate(
      () =>
        new Promise((done) => {
          const sheet = document.getElementById("review");
          sheet.addEventListener("close", () => done());
          sheet.close();
          document.querySelectorAll(".cell")[1].focus();
        }),
    );
    const all = [await held()];
    await page.keyboard.press("+");
    all.push(await held());
    await page.keyboard.press("Enter");
    await page.waitForSelector("#viewer[open]");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement.classList.contains("cell"));
    all.push(await held());
    return all;
  },

  /* How far the page is wider than its window, in pixels, and the smallest text. */
  async fits(page, { width }) {
    await page.setViewport({ width, height: 800 });
    await page.waitForFunction((wanted) => innerWidth === wanted, {}, width);
    await focus(page);
    const over = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    const grid = await over();
    await page.keyboard.press("Enter");
    await page.waitForSelector("#viewer[open]");
    return [grid, await over()];
  },

  /* What is printed holds every combination, not a screenful. */
  async prints(page) {
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    return page.$$eval("#print figure", (all) => all.length);
  },

  /* The link's page: the full-size file on demand, one picked, one rejected, sent. */
  async sends(page) {
    await page.click(".cell");
    await page.keyboard.press("z");
    await page.waitForSelector("#stage img[data-full]");
    await page.waitForFunction(() => document.querySelector("#stage img[data-full]").naturalWidth > 0);
    await press(page, "z p h Escape");
    await page.click("#review-open");
    await page.type("#reviewer", "Lin");
    await page.click("#send");
    await page.waitForSelector("#imported:not(:empty)");
    return text(page, "#imported");
  },
};

async function answer({ job, url, ...rest }) {
  const context = await browser.createBrowserContext();
  const complaints = [];
  const asked = [];
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => asked.push(request.url()));
    await page.setViewport({ width: 1280, height: 860 });
    await page.goto(url);
    await page.waitForSelector("#shown:not(:empty)");
    return { value: await jobs[job](page, rest), complaints, asked };
  } catch (error) {
    return { error: error.message, complaints, asked };
  } finally {
    await context.close();
  }
}

console.log(JSON.stringify({ value: await browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
await browser.close();
