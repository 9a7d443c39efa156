import { expect, test } from "vitest";
import { extentOf, pointsOfTrack } from "@/panels/workspace/trackExtent";
import { encodeVarints } from "@/protocol/binary";

test("the points of a track are those inside its mask, in metres", () => {
  const points = new Uint16Array([0, 0, 0, 0, 10, 20, 30, 0, 40, 50, 60, 0, 1, 1, 1, 0]);
  const sweep = { lowCorner: [-1, 0, 2], stepM: 0.5, points };
  const masks = [
    { sensor: 3, runs: encodeVarints([1, 2]) },
    { sensor: 4, runs: encodeVarints([0, 1]) }, // a sweep that is not loaded
  ];

  const found = pointsOfTrack(
    { masksOf: () => masks as never },
    { sweep: (_frame, sensor) => (sensor === 3 ? (sweep as never) : undefined) },
    0,
    7,
  );

  expect(found).toEqual([
    [4, 10, 17],
    [19, 25, 32],
  ]);
});

test("a few strays do not widen the extent", () => {
  const car = Array.from({ length: 41 }, (_, index) => [10 + index * 0.1, 2, 1]);
  const strays = [
    [90, 2, 1],
    [95, 40, 1],
  ];

  const extent = extentOf([...car, ...strays])!;

  expect(extent.size).toBeCloseTo(3.8, 1);
  expect(extent.centre[0]).toBeCloseTo(12.1, 1);
});

test("without points there is none", () => {
  expect(extentOf([])).toBeNull();
});
