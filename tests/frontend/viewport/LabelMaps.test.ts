import { beforeEach, expect, test } from "vitest";
import { NO_TRACK } from "@/geometry/masks";
import { encodeVarints } from "@/protocol/binary";
import { Emitter } from "@/store/Emitter";
import { LabelMaps } from "@/viewport/LabelMaps";

const N = NO_TRACK;
const mask = (track: number, ...lengths: number[]) => ({ track, runs: encodeVarints(lengths) });

let masks: Map<number, ReturnType<typeof mask>[]>;
const changed = new Emitter<{ tracks: Set<number> | "all"; readings: Set<string> | "all" }>();
const document = { masksAt: () => masks, changed };
let maps: LabelMaps;

beforeEach(() => {
  masks = new Map([[1, [mask(5, 0, 3), mask(6, 2, 2)]]]);
  maps = new LabelMaps(document as never);
});

test("masks overlap in draw order: the later is on top", () => {
  expect([...maps.map(0, 1, 6).tracks]).toEqual([5, 5, 6, 6, N, N]);
});

test("a map is painted once, and again after news of its reading", () => {
  const first = maps.map(0, 1, 6);
  expect(maps.map(0, 1, 6)).toBe(first);

  masks.set(1, [mask(5, 0, 3)]);
  expect(maps.map(0, 1, 6)).toBe(first);
  changed.emit({ tracks: new Set(), readings: new Set(["0:1"]) });

  const next = maps.map(0, 1, 6);
  expect([...next.tracks]).toEqual([5, 5, 5, N, N, N]);
  expect(next).toMatchObject({ before: first.version, changed: [2, 4] });
});

test("news of another reading leaves the map alone", () => {
  const first = maps.map(0, 1, 6);
  masks.set(1, []);
  changed.emit({ tracks: new Set(), readings: new Set(["0:2", "1:1"]) });

  expect(maps.map(0, 1, 6)).toBe(first);
});

test("a track whose draw order may have changed repaints", () => {
  maps.map(0, 1, 6);
  masks.set(1, [mask(6, 2, 2), mask(5, 0, 3)]);
  changed.emit({ tracks: new Set([5]), readings: new Set() });

  expect([...maps.map(0, 1, 6).tracks]).toEqual([5, 5, 5, 6, N, N]);
});

test("another frame is painted anew, and all of it may differ", () => {
  const first = maps.map(0, 1, 6);
  masks.set(1, [mask(8, 5, 1)]);

  const other = maps.map(1, 1, 6);

  expect([...other.tracks]).toEqual([N, N, N, N, N, 8]);
  expect(other).toMatchObject({ before: -1, changed: null });
  expect(other.version).not.toBe(first.version);
  expect(maps.map(2, 1, 7).tracks).toHaveLength(7);
});

test("news of the frame before does not reach the frame on the screen", () => {
  maps.map(0, 1, 6);
  const shown = maps.map(1, 1, 6);
  changed.emit({ tracks: new Set(), readings: new Set(["0:1"]) });

  expect(maps.map(1, 1, 6)).toBe(shown);
});
