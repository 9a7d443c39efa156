import { describe, expect, test } from "vitest";
import { type Camera, cameraFromEgo, cameraOf, projectPoint } from "@/geometry/projection";
import { compose, IDENTITY, inverse, type Matrix4, transformPoint } from "@/geometry/transforms";
import type { Frame, Sensor } from "@/protocol/messages";

// A wide camera on the roof, turned 0.1 rad to the left. Pixels and depths were computed with
// inference/geometry.py's project_to_image, in float64.
const egoFromSensor = [
  0.099833416647, 0, 0.995004165278, 1.5, -0.995004165278, 0, 0.099833416647, 0.1, 0, -1, 0, 2.1, 0,
  0, 0, 1,
];
const sensor: Sensor = {
  number: 0,
  name: "FRONT",
  kind: "camera",
  ego_from_sensor: egoFromSensor,
  width_px: 1920,
  height_px: 1280,
  intrinsics: [2059.6, 2059.6, 936.2, 635.1, 0.0426, -0.338, 0.0017, -0.0008, 0.05],
};
const points = [
  [20, 2, 1],
  [10, 0, 0.5],
  [40, -6, 3],
  [15, 9, 1],
  [-5, 0, 1],
];

function frameWith(worldFromCamerasEgo: number[] | null): Frame {
  return {
    index: 0,
    timestamp_us: 0,
    world_from_ego: [
      0.955336489125606, -0.29552020666133955, 0, 100, 0.29552020666133955, 0.955336489125606, 0,
      50, 0, 0, 1, 1, 0, 0, 0, 1,
    ],
    readings: [{ sensor: 0, points: null, world_from_ego: worldFromCamerasEgo }],
  };
}

const later = [
  0.9492354180824408, -0.31456656061611776, 0, 100.9, 0.31456656061611776, 0.9492354180824408, 0,
  50.3, 0, 0, 1, 1, 0, 0, 0, 1,
];

describe.each([
  {
    when: "at the frame's own pose",
    frame: frameWith(null),
    pixels: [[931.3651, 756.9771], [1167.6753, 1026.0452], [1478.1264, 586.1328], null, null],
    depths: [18.5973, 8.4476, 37.6987],
  },
  {
    when: "a little later, with the vehicle's way in between",
    frame: frameWith(later),
    pixels: [[967.1665, 763.5279], [1226.738, 1076.6156], [1533.9257, 584.6443], null, null],
    depths: [17.649, 7.4815, 36.5475],
  },
])("a camera that looks $when", ({ frame, pixels, depths }) => {
  test.each(points.map((point, index) => ({ point, pixel: pixels[index], depth: depths[index] })))(
    "sees $point at $pixel",
    ({ point, pixel, depth }) => {
      const seen = projectPoint(point, cameraFromEgo(sensor, frame), cameraOf(sensor));

      if (!pixel) {
        expect(seen).toBeNull();
        return;
      }
      expect(seen!.pixel[0]).toBeCloseTo(pixel[0]!, 3);
      expect(seen!.pixel[1]).toBeCloseTo(pixel[1]!, 3);
      expect(seen!.depthM).toBeCloseTo(depth!, 3);
    },
  );
});

test("points where the lens polynomial folds back are out of view", () => {
  const camera: Camera = {
    intrinsics: [500, 500, 1000, 500, -0.3, 0, 0, 0, 0],
    widthPx: 2000,
    heightPx: 1000,
  };
  // r^2 = 1: the radial factor is 0.7, and the pixel would be well inside the picture.
  expect(projectPoint([1, 0, 1], IDENTITY, camera)).toBeNull();
  expect(projectPoint([0.5, 0, 1], IDENTITY, camera)).not.toBeNull();
});

test("a LiDAR is no camera", () => {
  expect(() => cameraOf({ ...sensor, name: "TOP", intrinsics: null })).toThrow(/TOP/);
});

test("a transform and its inverse cancel", () => {
  const round = compose(inverse(later as Matrix4), later);

  round.forEach((value, index) => {
    expect(value).toBeCloseTo(IDENTITY[index]!, 12);
  });
  // A quarter turn about z, then one metre along x.
  const turned = [0, -1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  expect(transformPoint(turned, [2, 3, 4])).toEqual([-2, 2, 4]);
  expect(transformPoint(inverse(turned), [-2, 2, 4])).toEqual([2, 3, 4]);
});
