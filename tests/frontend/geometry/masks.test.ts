import { describe, expect, test } from "vitest";
import {
  areaOfRuns,
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

test("painting a part leaves the rest as it was", () => {
  const map = Uint16Array.of(7, 7, 7, 7, 7, 7);

  paintMasks(map, [{ track: 1, runs: encodeVarints([1, 5]) }], [2, 4]);

  expect([...map]).toEqual([7, 7, 1, 1, 7, 7]);
});

const painted = (track: number, ...lengths: number[]) => ({ track, runs: encodeVarints(lengths) });

test("two paintings differ around the masks that only one of them has", () => {
  const [road, car] = [painted(1, 0, 40), painted(2, 10, 4)];
  const wider = painted(2, 9, 3, 2, 6); // spans 9-12 and 14-20

  expect(changedSpan([road, car], [road, wider])).toEqual([9, 20]);
  expect(changedSpan([road, car], [road])).toEqual([10, 14]);
  expect(changedSpan([road], [painted(3, 5, 1), road])).toEqual([5, 6]);
  expect(changedSpan([road, car], [road, painted(3, 10, 4)])).toEqual([10, 14]);
  expect(changedSpan([road, car], [painted(1, 0, 40), painted(2, 10, 4)])).toBeNull();
  expect(changedSpan([], [])).toBeNull();
});

test("painting only what changed gives the same map as painting all", () => {
  const before = Array.from({ length: 8 }, (_, track) => painted(track, track * 9, 20));
  for (let round = 0; round < 60; round++) {
    const after = [...before];
    const moved = after.splice(round % 8, 1 + (round % 3));
    after.splice((round * 5) % (after.length + 1), 0, painted(20 + round, (round * 7) % 70, 13));
    if (round % 2) after.push(...moved);
    const map = new Uint16Array(100);
    const anew = map.slice();
    paintMasks(map, before);

    paintMasks(map, after, changedSpan(before, after)!);

    paintMasks(anew, after);
    expect(map).toEqual(anew);
  }
});
