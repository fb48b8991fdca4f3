import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The fake contract (`npm run fake`) unless a real server is named: TANDEM=http://127.0.0.1:8080 npm run dev
const server = process.env.TANDEM ?? "http://127.0.0.1:4600";

// The palette is written with `light-dark()`, which must not be translated for older browsers: that breaks it in variables.
const CSS_TARGET = ["chrome123", "firefox120", "safari17.5"];

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: "dist/console",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: CSS_TARGET,
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: {
      "/api": { target: server, ws: true },
      "/chat": { target: server, ws: true },
      "/sip": { target: server, ws: true },
    },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}", "widget/**/*.test.{ts,tsx}"] },
});
