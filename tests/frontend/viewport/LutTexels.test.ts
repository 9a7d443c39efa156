import { expect, test } from "vitest";
import { changedTexels, LUT_WIDTH, rowsOfRun } from "@/viewport/LutTexels";

test("recolouring one track changes one texel", () => {
  const before = new Uint8Array(LUT_WIDTH * 4 * 2);
  const after = before.slice();
  after[300 * 4 + 1] = 200;

  expect(changedTexels(before, after)).toEqual([[300, 301]]);
});

test("neighbours are one run, distant texels two", () => {
  const before = new Uint8Array(64);
  const after = before.slice();
  for (const texel of [2, 3, 9]) after[texel * 4 + 3] = 255;

  expect(changedTexels(before, after)).toEqual([
    [2, 4],
    [9, 10],
  ]);
});

test("a run over several rows is cut into rectangles that cover it once", () => {
  const rows = rowsOfRun([250, 250 + 6 + 2 * LUT_WIDTH + 3]);

  expect(rows).toEqual([
    { column: 250, row: 0, width: 6, height: 1 },
    { column: 0, row: 1, width: LUT_WIDTH, height: 2 },
    { column: 0, row: 3, width: 3, height: 1 },
  ]);
});
