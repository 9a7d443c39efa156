import { expect, test } from "vitest";
import type { Snapshot, Track } from "@/protocol/messages";
import { Appearance } from "@/store/Appearance";
import { colourOfTrack, hexOfRgb } from "@/store/colours";
import { LabelDocument } from "@/store/LabelDocument";
import { Selection } from "@/store/Selection";

const plain = { parent: null, hint: "", longest_m: null, is_archived: false };
const car = { id: 1, name: "car", colour: "#3080f0", is_stuff: false, position: 0, ...plain };
const road = { id: 2, name: "road", colour: "#806050", is_stuff: true, position: 1, ...plain };
const track = (number: number, label_class: number, is_stuff = false): Track => ({
  number,
  label_class,
  is_stuff,
  name: "",
  draw_order: 0,
  source: "person",
  mask_frames: [],
});

function build() {
  const document = new LabelDocument();
  const snapshot = { revision: 0, cuboids: [], label_classes: [car, road] };
  const tracks = [track(1, 1), track(3, 1), track(4, 2, true)];
  document.replaceWith({ ...snapshot, tracks } as unknown as Snapshot);
  const appearance = new Appearance();
  const selection = new Selection();
  const alphas = () => {
    const lut = appearance.lut(document, selection);
    return [...Array(lut.length / 4).keys()].map((number) => lut[number * 4 + 3]);
  };
  return { appearance, alphas };
}

test("tracks that there are have a colour, others none", () => {
  expect(build().alphas()).toEqual([0, 255, 0, 255, 255]);
});

test("a hidden track is seen through, and isolating hides the others", () => {
  const { appearance, alphas } = build();

  appearance.setHidden(1, true);
  expect(alphas()).toEqual([0, 0, 0, 255, 255]);
  appearance.isolate(1);
  expect(alphas()).toEqual([0, 255, 0, 0, 0]);
  appearance.isolate(null);
  expect(alphas()).toEqual([0, 0, 0, 255, 255]);
  appearance.showAll();
  expect(alphas()).toEqual([0, 255, 0, 255, 255]);
});

test("of sixty cars, any five that were made one after another can be told apart", () => {
  const colours = Array.from({ length: 60 }, (_, number) => colourOfTrack(track(number, 1), car));
  const distance = (first: number, second: number): number =>
    Math.hypot(...[0, 1, 2].map((at) => colours[first]![at]! - colours[second]![at]!));

  for (let number = 0; number < 56; number++) {
    for (const later of [1, 2, 3, 4]) {
      expect(distance(number, number + later), `${number} and ${number + later}`).toBeGreaterThan(
        18,
      );
    }
  }
});

test("stuff has its class's colour, neighbours of a class differ", () => {
  expect(hexOfRgb(colourOfTrack(track(4, 2, true), road))).toBe("#806050");
  expect(colourOfTrack(track(1, 1), car)).not.toEqual(colourOfTrack(track(2, 1), car));
});
