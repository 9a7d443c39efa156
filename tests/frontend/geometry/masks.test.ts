import { describe, expect, test } from "vitest";
import {
  areaOfRuns,
  changedBox,
  changedSpan,
  NO_TRACK,
  paintMasks,
  runsOfMask,
  spansOfRuns,
} from "@/geometry/masks";
import { decodeVarints, encodeVarints } from "@/protocol/binary";
import { exampleJson } from "../examples";

const N = NO_TRACK;

describe.each(exampleJson("expected.json").runs as { mask: string; lengths: number[] }[])(
  "mask $mask",
  ({ mask, lengths }) => {
    const elements = [...mask].map(Number);

    test("becomes the run lengths worked out by hand", () => {
      expect([...decodeVarints(runsOfMask(elements))]).toEqual(lengths);
    });

    test("is painted where it is set, and has its area", () => {
      const map = new Uint16Array(elements.length);

      paintMasks(map, [{ track: 5, runs: encodeVarints(lengths) }]);

      expect([...map]).toEqual(elements.map((element) => (element ? 5 : N)));
      expect(areaOfRuns(encodeVarints(lengths))).toBe(elements.filter(Boolean).length);
    });
  },
);

test("the later mask covers the earlier one, and only where it is", () => {
  const map = new Uint16Array(8).fill(99);
  const below = { track: 1, runs: encodeVarints([1, 5]) };
  const above = { track: 2, runs: encodeVarints([3, 2, 2, 1]) };

  paintMasks(map, [below, above]);

  expect([...map]).toEqual([N, 1, 1, 2, 2, 1, N, 2]);
});

test("runs that reach beyond the reading are cut at its end", () => {
  const map = new Uint16Array(3);

  paintMasks(map, [{ track: 4, runs: encodeVarints([2, 9]) }]);

  expect([...map]).toEqual([N, N, 4]);
});

test("spans are the foreground runs as ends", () => {
  expect([...spansOfRuns(encodeVarints([2, 3, 1, 4]))]).toEqual([2, 5, 6, 10]);
});

test("what changed between two maps is found, along and around", () => {
  const before = new Uint16Array(20);
  const after = before.slice();
  after[6] = 1; // (1, 1) in a picture 5 wide
  after[13] = 2; // (3, 2)

  expect(changedSpan(before, after)).toEqual([6, 14]);
  expect(changedBox(before, after, 5)).toEqual({ u: 1, v: 1, width: 3, height: 2 });
  expect(changedSpan(before, before.slice())).toBeNull();
  expect(changedBox(before, before.slice(), 5)).toBeNull();
});

test("the changed box agrees with looking at every pixel", () => {
  const width = 17;
  const before = new Uint16Array(width * 11);
  for (let round = 0; round < 50; round++) {
    const after = before.slice();
    const changed = [1, 2, 3].map((k) => (round * 37 + k * 53 * round) % after.length);
    for (const index of changed) after[index] = 1;

    const us = changed.map((index) => index % width);
    const vs = changed.map((index) => Math.floor(index / width));
    expect(changedBox(before, after, width)).toEqual({
      u: Math.min(...us),
      v: Math.min(...vs),
      width: Math.max(...us) - Math.min(...us) + 1,
      height: Math.max(...vs) - Math.min(...vs) + 1,
    });
  }
});
