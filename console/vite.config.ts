import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The fake contract (`npm run fake`) unless a real server is named: TANDEM=http://127.0.0.1:8080 npm run dev
const server = process.env.TANDEM ?? "http://127.0.0.1:4600";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: { outDir: "dist/console", emptyOutDir: true, target: "es2022", chunkSizeWarningLimit: 900 },
  server: {
    proxy: {
      "/api": { target: server, ws: true },
      "/chat": { target: server, ws: true },
      "/sip": { target: server, ws: true },
    },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}", "widget/**/*.test.{ts,tsx}"] },
});
