import { expect, test } from "vitest";
import { framesAround, keyOf, rangesOf, wantedObjects } from "@/assets/plan";
import type { Frame, Sensor } from "@/protocol/messages";

const sensor = (number: number, kind: Sensor["kind"]): Sensor => ({
  number,
  name: `${kind} ${number}`,
  kind,
  ego_from_sensor: [],
  width_px: null,
  height_px: null,
  intrinsics: null,
});
const sensors = new Map([
  [0, sensor(0, "camera")],
  [1, sensor(1, "lidar")],
]);
const frame = (index: number, readings = [0, 1]): Frame => ({
  index,
  timestamp_us: index * 100_000,
  world_from_ego: [],
  readings: readings.map((number) => ({ sensor: number, points: null, world_from_ego: null })),
});
const frames = [0, 1, 2, 3, 4].map((index) => frame(index));

test("frames come in the order in which play reaches them", () => {
  expect(framesAround({ frame: 5, direction: 1 }, 100, 4, 2)).toEqual([5, 6, 4, 7, 3, 8, 9]);
  expect(framesAround({ frame: 5, direction: -1 }, 100, 2, 1)).toEqual([5, 4, 6, 3]);
});

test("frames beyond the ends of the drive are not asked for", () => {
  expect(framesAround({ frame: 0, direction: 1 }, 2, 5, 5)).toEqual([0, 1]);
});

test("points come before labels and pictures, the full picture last of its frame", () => {
  const window = { decodeAhead: 0, decodeBehind: 0, fetchAhead: 1, fetchBehind: 0 };

  const wanted = wantedObjects(frames, sensors, { frame: 2, direction: 1 }, window, new Set([0]));

  expect(wanted.map(keyOf)).toEqual([
    "sweep:2:1",
    "labels:2:",
    "proxy:2:0",
    "image:2:0",
    "sweep:3:1",
    "labels:3:",
    "proxy:3:0",
  ]);
  expect(wanted.map((object) => object.decode)).toEqual([
    true,
    true,
    true,
    true,
    false,
    true,
    false,
  ]);
});

test("a sensor that took nothing in a frame is not asked for", () => {
  const window = { decodeAhead: 0, decodeBehind: 0, fetchAhead: 0, fetchBehind: 0 };

  const wanted = wantedObjects(
    [frame(0, [1])],
    sensors,
    { frame: 0, direction: 1 },
    window,
    new Set([0]),
  );

  expect(wanted.map(keyOf)).toEqual(["sweep:0:1", "labels:0:"]);
});

test("loaded frames are reported as ranges", () => {
  const has = new Set([0, 1, 4, 6, 7]);

  expect(rangesOf(8, (index) => has.has(index))).toEqual([
    [0, 1],
    [4, 4],
    [6, 7],
  ]);
});
