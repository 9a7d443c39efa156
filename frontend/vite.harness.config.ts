import { fileURLToPath } from "node:url";
import { defineConfig, type UserConfig } from "vite";
import product from "./vite.config.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const harness = here("../tests/frontend/harness");

// The panes on a made-up scene, to look at and to measure; no part of the product.
//   npm run harness -- --outDir FOLDER
export default defineConfig({
  ...(product as UserConfig),
  root: harness,
  base: "/",
  resolve: { alias: { "@": here("src") } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    rolldownOptions: { input: [`${harness}/index.html`, `${harness}/bench.html`] },
  },
});
