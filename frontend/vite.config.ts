import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import type { ViteUserConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const tests = here("../tests");

/** The tests live beside this folder; their packages are the ones installed in it. */
const packagesForTests: Plugin = {
  name: "packages-for-tests",
  enforce: "pre",
  resolveId(id, importer) {
    const isPackage = /^(@[a-z][^/]*\/)?[a-z]/.test(id) && !id.startsWith("node:");
    if (!isPackage || !importer?.startsWith(tests)) return null;
    return this.resolve(id, here("src/main.ts"), { skipSelf: true });
  },
};

/** The licences of what is bundled travel with it. */
const licences: Plugin = {
  name: "licences",
  apply: "build",
  generateBundle() {
    const { dependencies } = JSON.parse(readFileSync(here("package.json"), "utf8"));
    const texts = [...Object.keys(dependencies), "@preact/signals-core"].map((name) => {
      const folder = here(`node_modules/${name}`);
      const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
      return `${name}\n\n${file ? readFileSync(`${folder}/${file}`, "utf8") : "see its home page"}`;
    });
    this.emitFile({ type: "asset", fileName: "LICENCES.txt", source: texts.join("\n\n\n") });
  },
};

const test: ViteUserConfig["test"] = {
  dir: here("../tests/frontend"),
  include: ["**/*.test.{ts,tsx}"],
};

export default defineConfig({
  base: "/static/app/", // Django serves the build there
  plugins: [packagesForTests, licences],
  resolve: { alias: { "@": here("src") } },
  server: { fs: { allow: [here("..")] } },
  worker: { format: "es" },
  build: { target: "es2022", assetsInlineLimit: 0, sourcemap: false, chunkSizeWarningLimit: 900 },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test,
} as Parameters<typeof defineConfig>[0]);
