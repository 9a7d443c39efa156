// Writes the two WebAssembly modules that the page loads:
//   unfilter.wasm, assembled from unfilter.wat;
//   zstd.wasm, taken out of the package zstddec. (The package itself fetches a data: URL, which
//   our Content-Security-Policy refuses, and does not look at zstd's error codes.)
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import wabt from "wabt";

const folder = new URL("../src/assets/wasm/", import.meta.url);

export async function assembleUnfilter() {
  const module = (await wabt()).parseWat(
    "unfilter.wat",
    readFileSync(new URL("unfilter.wat", folder), "utf8"),
    { simd: true },
  );
  module.validate({ simd: true });
  return module.toBinary({}).buffer;
}

export function extractZstd() {
  const source = readFileSync(createRequire(import.meta.url).resolve("zstddec"), "utf8");
  return new Uint8Array(Buffer.from(/const wasm = "([A-Za-z0-9+/=]+)"/.exec(source)[1], "base64"));
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  writeFileSync(new URL("unfilter.wasm", folder), await assembleUnfilter());
  writeFileSync(new URL("zstd.wasm", folder), extractZstd());
}
