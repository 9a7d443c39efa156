import type { Frame, Sensor } from "@/protocol/messages";
import { compose, inverse, type Matrix4, type Pixel, transformPoint } from "./transforms";

/** A camera: a pinhole with Brown-Conrady distortion (fx fy cx cy k1 k2 p1 p2 k3, pixels). */
export interface Camera {
  intrinsics: readonly number[];
  widthPx: number;
  heightPx: number;
}

/** Far outside the picture the lens polynomial folds back; beyond these it is not believed. */
export const RADIAL_LOW = 0.8;
export const RADIAL_HIGH = 1.2;
const NEAREST_M = 1e-3;

/** The camera of a sensor. Throws when the sensor has no intrinsics (a LiDAR). */
export function cameraOf(sensor: Sensor): Camera {
  if (!sensor.intrinsics || !sensor.width_px || !sensor.height_px) {
    throw new Error(`sensor ${sensor.name} has no intrinsics: it is no camera`);
  }
  return {
    intrinsics: sensor.intrinsics,
    widthPx: sensor.width_px,
    heightPx: sensor.height_px,
  };
}

/**
 * Maps points in the frame's ego to camera axes (x right, y down, z forward).
 *
 * A camera may look a few milliseconds before or after the frame's pose; when its reading says
 * where the vehicle was then, the vehicle's way in between is part of the transform.
 */
export function cameraFromEgo(sensor: Sensor, frame: Frame): Matrix4 {
  const cameraFromItsEgo = inverse(sensor.ego_from_sensor);
  const reading = frame.readings.find((candidate) => candidate.sensor === sensor.number);
  if (!reading?.world_from_ego) return cameraFromItsEgo;
  const itsEgoFromEgo = compose(inverse(reading.world_from_ego), frame.world_from_ego);
  return compose(cameraFromItsEgo, itsEgoFromEgo);
}

export interface Projected {
  pixel: Pixel;
  depthM: number; // along the optical axis
}

/** Where a point appears in the picture; null when it is out of view. */
export function projectPoint(
  pointEgo: ArrayLike<number>,
  fromEgo: Matrix4,
  camera: Camera,
): Projected | null {
  const [x, y, z] = transformPoint(fromEgo, pointEgo);
  if (z <= NEAREST_M) return null;
  const [fx, fy, cx, cy, k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0] = camera.intrinsics as number[];
  const a = x / z;
  const b = y / z;
  const r2 = a * a + b * b;
  const radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3));
  const isDistorted = k1 !== 0 || k2 !== 0 || p1 !== 0 || p2 !== 0 || k3 !== 0;
  if (isDistorted && (radial <= RADIAL_LOW || radial >= RADIAL_HIGH)) return null;
  const u = fx! * (a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)) + cx!;
  const v = fy! * (b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b) + cy!;
  if (u < 0 || u >= camera.widthPx || v < 0 || v >= camera.heightPx) return null;
  return { pixel: [u, v], depthM: z };
}
