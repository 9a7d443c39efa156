// @vitest-environment jsdom
import { beforeEach, expect, test } from "vitest";
import { keepLook } from "@/panels/workspace/look";
import { Appearance } from "@/store/Appearance";

beforeEach(() => localStorage.clear());

test("the next scene looks as this one was left", () => {
  const before = new Appearance();
  const stop = keepLook(before);
  before.set({ colourBy: "intensity", pointSize: 4 });
  before.set({ showPointsOnImages: true });
  stop();

  const after = new Appearance();
  keepLook(after);

  expect(after).toMatchObject({ colourBy: "intensity", pointSize: 4, showPointsOnImages: true });
  expect(after.maskOpacity).toBe(0.5);
});

test.each(['{"pointSize": 400, "colourBy": "smell"}', "no JSON", "null"])(
  "what it cannot be is not taken from %s",
  (stored) => {
    localStorage.setItem("masklet.look", stored);
    const appearance = new Appearance();
    keepLook(appearance);

    expect(appearance).toMatchObject({ colourBy: "height", pointSize: 2.5 });
  },
);
