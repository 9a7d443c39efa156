import { expect, test } from "vitest";
import { CUBOID_EDGES, cornersOfCuboid } from "@/geometry/cuboids";

test("a cuboid that heads to the left has its length along y", () => {
  const corners = cornersOfCuboid([10, 5, 1], [4, 2, 1.5], Math.PI / 2);

  const [frontLeft] = corners;
  expect(frontLeft![0]).toBeCloseTo(9); // left of heading +y is -x
  expect(frontLeft![1]).toBeCloseTo(7);
  expect(frontLeft![2]).toBeCloseTo(0.25);
  expect(Math.max(...corners.map((corner) => corner[2]))).toBeCloseTo(1.75);
});

test("its twelve edges have its lengths, four of each", () => {
  const corners = cornersOfCuboid([0, 0, 0], [4, 2, 1.5], 0.3);

  const lengths = CUBOID_EDGES.map(([from, to]) =>
    Math.hypot(...[0, 1, 2].map((axis) => corners[from]![axis]! - corners[to]![axis]!)),
  ).sort();
  expect(lengths.map((length) => Number(length.toFixed(9)))).toEqual([
    1.5, 1.5, 1.5, 1.5, 2, 2, 2, 2, 4, 4, 4, 4,
  ]);
});
