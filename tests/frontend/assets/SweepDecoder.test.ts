import { describe, expect, test } from "vitest";
import { SweepDecoder } from "@/assets/SweepDecoder";
import { unfilterPlain } from "@/assets/unfilter";
import { areaOfRuns } from "@/geometry/masks";
import { BadBytes, readLabels } from "@/protocol/binary";
import { assembleUnfilter, extractZstd } from "../../../frontend/scripts/makeWasm.mjs";
import { exampleBytes, exampleJson, wasmBytes } from "../examples";

const expected = exampleJson("expected.json");
const points = (expected.sweep.points as number[][]).flatMap(([x, y, z, intensity, elongation]) => [
  x!,
  y!,
  z!,
  intensity! + 256 * elongation!,
]);
const withSimd = await SweepDecoder.load(wasmBytes("zstd.wasm"), wasmBytes("unfilter.wasm"));
const plain = await SweepDecoder.load(wasmBytes("zstd.wasm"), null);

describe.each([
  ["SIMD", withSimd],
  ["plain", plain],
])("with the %s un-filter", (_, decoder) => {
  test.each(["sweep_p8.bin", "sweep_d1.bin"])("%s becomes its points", (name) => {
    const sweep = decoder.decodeSweep(exampleBytes(name));

    expect([...sweep.points]).toEqual(points);
    expect(sweep.pointCount).toBe(points.length / 4);
    expect(sweep.lowCorner).toEqual(expected.sweep.low_corner);
  });

  test("a sweep that is cut short is refused, and the next one is read", () => {
    const bytes = exampleBytes("sweep_d1.bin");

    expect(() => decoder.decodeSweep(bytes.subarray(0, bytes.length - 9))).toThrow(BadBytes);
    expect(decoder.decodeSweep(bytes).pointCount).toBe(points.length / 4);
  });
});

test("the example labels come out of zstd", () => {
  const { revision, masks } = readLabels(withSimd.inflate(exampleBytes("labels.bin")));

  expect(revision).toBe(expected.labels.revision);
  expect(masks.map(({ runs, ...mask }) => ({ ...mask, area: areaOfRuns(runs) }))).toEqual(
    expected.labels.masks,
  );
});

test("bytes that are not zstd are refused", () => {
  expect(() => withSimd.inflate(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]))).toThrow(BadBytes);
});

test.each([0, 1, 7, 8, 9, 16, 1003])("both un-filters agree on %i random points", async (count) => {
  const planes = new Uint8Array(count * 8);
  let state = 12345 + count;
  for (let index = 0; index < planes.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    planes[index] = state >>> 24;
  }
  const memory = new WebAssembly.Memory({ initial: 4 });
  const { instance } = await WebAssembly.instantiate(wasmBytes("unfilter.wasm"), {
    env: { memory },
  });
  new Uint8Array(memory.buffer).set(planes, 16);
  const target = 128 * 1024;

  (instance.exports.unfilter as (source: number, target: number, count: number) => void)(
    16,
    target,
    count,
  );

  const simd = new Uint16Array(memory.buffer.slice(target, target + count * 8));
  expect(simd).toEqual(unfilterPlain(planes, count));
  const behind = new Uint8Array(memory.buffer, target + count * 8, 64);
  expect(behind.every((byte) => byte === 0)).toBe(true); // nothing is written past the end
});

test("the committed modules are what their sources make", async () => {
  expect(new Uint8Array(await assembleUnfilter())).toEqual(wasmBytes("unfilter.wasm"));
  expect(extractZstd()).toEqual(wasmBytes("zstd.wasm"));
});
