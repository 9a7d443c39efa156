import { expect, test } from "vitest";
import { nearestHit } from "@/viewport/Picker";

const SIDE = 5;

function windowWith(pixels: [column: number, row: number, id: number, slot: number][]): Uint8Array {
  const window = new Uint8Array(SIDE * SIDE * 4);
  for (const [column, row, id, slot] of pixels) {
    window.set([id & 255, (id >> 8) & 255, (id >> 16) & 255, slot], (row * SIDE + column) * 4);
  }
  return window;
}

test("an empty window has no hit", () => {
  expect(nearestHit(windowWith([]), SIDE)).toBeNull();
});

test("the point nearest to the pointer is hit, not the first one", () => {
  const window = windowWith([
    [0, 0, 11, 1],
    [3, 2, 22, 1],
    [4, 4, 33, 1],
  ]);

  expect(nearestHit(window, SIDE)).toEqual({ slot: 1, point: 21 });
});

test("the index takes 24 bits, and the slot says which sweep", () => {
  const window = windowWith([[2, 2, 0x123456, 3]]);

  expect(nearestHit(window, SIDE)).toEqual({ slot: 3, point: 0x123455 });
});

test("the first point of a sweep can be hit", () => {
  expect(nearestHit(windowWith([[2, 2, 1, 1]]), SIDE)).toEqual({ slot: 1, point: 0 });
});
