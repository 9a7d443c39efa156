import { describe, expect, test } from "vitest";
import { inverse, transformPoint } from "@/geometry/transforms";
import { OrbitCamera } from "@/viewport/OrbitCamera";

/** Where a point appears: right and up of the middle, in units of the distance ahead. */
function seen(camera: OrbitCamera, point: readonly number[]): [number, number] {
  const [x, y, z] = transformPoint(inverse(camera.egoFromView()), point);
  expect(z).toBeLessThan(0); // ahead
  return [x / -z, y / -z];
}

const close = (actual: readonly number[], expected: readonly number[]): void =>
  actual.forEach((value, axis) => {
    expect(value).toBeCloseTo(expected[axis]!, 9);
  });

test("at first it looks forward from behind: left is left, far is up", () => {
  const camera = new OrbitCamera();

  expect(camera.eye()[0]).toBeLessThan(0);
  const [x, y] = seen(camera, [30, 5, 0]);
  expect(x).toBeLessThan(0);
  expect(y).toBeGreaterThan(0);
});

test("the top view has forward up and left left, with no tilt", () => {
  const camera = new OrbitCamera();
  camera.lookFromTop();
  camera.target = [0, 0, 0];

  const { right, up, forward } = camera.axes();
  close(right, [0, -1, 0]);
  close(up, [1, 0, 0]);
  close(forward, [0, 0, -1]);
});

describe.each([
  ["in a slanted view", 0.4, 0.7],
  ["from the top", Math.PI, Math.PI / 2],
])("%s", (_, azimuth, elevation) => {
  const make = (): OrbitCamera =>
    Object.assign(new OrbitCamera(), { azimuth, elevation, distance: 20 });

  test("zooming leaves the point under the pointer where it is", () => {
    const camera = make();
    const point = [12, 3, 1];
    const before = seen(camera, point);

    camera.zoom(0.5, point);

    close(seen(camera, point), before);
    expect(camera.distance).toBeCloseTo(10);
  });

  test("a new pivot does not move the picture", () => {
    const camera = make();
    const eye = camera.eye();
    const pivot = camera.pointOnTargetPlane(420, 180, 600, 400);

    camera.setPivot(pivot);
    camera.orbit(0.5, 0);

    expect(Math.hypot(...camera.target.map((value, axis) => value - pivot[axis]!))).toBeLessThan(
      1e-9,
    );
    expect(Math.hypot(...eye)).toBeGreaterThan(0);
  });

  test("panning moves what is at the target's depth by just the pointer's way", () => {
    const camera = make();
    const [width, height] = [600, 400];
    const grabbed = camera.pointOnTargetPlane(200, 150, width, height);

    camera.pan(50, -20, height);

    close(camera.pointOnTargetPlane(250, 130, width, height), grabbed);
  });
});

test("flying to an object puts it in the middle", () => {
  const camera = new OrbitCamera();
  camera.flyTo([15, -4, 1], 5);

  close(seen(camera, [15, -4, 1]), [0, 0]);
});
