// A supervisor looks at what the day was like: the wallboard and the report.
import { Console } from "./pages.mjs";
import { assert, check } from "./report.mjs";
import { until } from "./wait.mjs";

export async function figures({ http, shot, context }) {
  const board = await Console.open(context, http);
  const { page } = board;
  await check("the wallboard shows what became of the day's contacts", async () => {
    await board.at("login-name").fill("vera");
    await board.at("login-password").fill("demo-vera");
    await board.at("login-submit").click();
    await board.at("nav-wallboard").click();
    await board.at("wallboard").waitFor();
    const shown = async (id) => (await board.at(id).first().textContent()).trim();
    await until("both contacts are counted", 10_000, async () => (await shown("wallboard-offered")) === "2");
    assert((await shown("wallboard-waiting")) === "0", "nobody waits any more");
    assert(/^\d+ %$/.test(await shown("wallboard-level")), await shown("wallboard-level"));
    // Read from five metres on a screen of a metre: 60 pixels of 1,080 at least.
    const heights = await board
      .at("wallboard-waiting")
      .evaluateAll((figures) => figures.map((figure) => Number.parseFloat(getComputedStyle(figure).fontSize)));
    assert(heights.every((height) => height >= 60), `figures of ${heights} pixels`);
    await shot(page, "wallboard");
    return { level: await shown("wallboard-level") };
  });
  await check("the report says the same in its table, its chart and its file", async () => {
    await board.at("nav-reports").click();
    await board.at("report-table").waitFor();
    await board.at("report-chart").locator("canvas").waitFor();
    const rows = await board.at("report-row").allTextContents();
    assert(rows.some((row) => row.includes("support")), rows.join("\n"));
    await shot(page, "report");
    const [download] = await Promise.all([page.waitForEvent("download"), board.at("report-csv").click()]);
    const text = await (await import("node:fs/promises")).readFile(await download.path(), "utf8");
    const [head, ...lines] = text.trim().split("\r\n");
    const offered = head.split(",").indexOf("offered");
    const sum = lines.reduce((sum, line) => sum + Number(line.split(",")[offered]), 0);
    assert(sum === 2, text);
  });
  assert(board.problems.length === 0, board.problems.join("\n"));
}
