// Builds everything the server embeds into dist/: the console, the widget, its voice part and the demo shop.
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const WIDGET_LIMIT = 25 * 1024;
const root = fileURLToPath(new URL(".", import.meta.url));
const dist = `${root}dist`;

rmSync(dist, { recursive: true, force: true });
await build({ root, configFile: `${root}vite.config.ts`, logLevel: "warn" });
await script("widget/main.tsx", "widget.js");
await script("widget/voice.ts", "widget-voice.js");
await build({
  root: `${root}shop`,
  configFile: false,
  base: "/shop/",
  logLevel: "warn",
  build: {
    outDir: `${dist}/shop`,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

const size = gzipSync(readFileSync(`${dist}/widget.js`), { level: 9 }).length;
console.log(`widget.js: ${(size / 1024).toFixed(1)} KiB gzip of ${WIDGET_LIMIT / 1024} allowed`);
if (size > WIDGET_LIMIT) {
  console.error("widget.js is over its limit");
  process.exit(1);
}

/** One self-contained classic script. */
async function script(entry, file) {
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    define: { "process.env.NODE_ENV": '"production"' },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
      outDir: dist,
      emptyOutDir: false,
      copyPublicDir: false,
      target: "es2020",
      lib: { entry: `${root}${entry}`, formats: ["iife"], name: "TandemPart", fileName: () => file },
    },
  });
}
