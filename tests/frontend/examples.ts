import { readFileSync } from "node:fs";
import { resolve } from "node:path";

/** Example bytes and messages that the Python tests read too. */
export const exampleBytes = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(resolve(__dirname, "../protocol/examples", name)));

export const exampleJson = (name: string) =>
  JSON.parse(readFileSync(resolve(__dirname, "../protocol/examples", name), "utf8"));

export const wasmBytes = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(resolve(__dirname, "../../frontend/src/assets/wasm", name)));
