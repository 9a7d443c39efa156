import { expect, test } from "vitest";
import { fittingStrip } from "@/panels/workspace/Panes";

const camera = (widthPx: number, heightPx: number) => ({ widthPx, heightPx });

test("the strip is as high as its pictures need side by side", () => {
  const three = Array(3).fill(camera(960, 640));
  expect(fittingStrip(three, 1080, 720)).toBe(240);

  const five = [...Array(3).fill(camera(1920, 1280)), ...Array(2).fill(camera(1920, 886))];
  expect(fittingStrip(five, 1080, 720)).toBe(144); // the highest counts
});

test("the cloud keeps the larger part, and a picture can always be made out", () => {
  expect(fittingStrip([camera(960, 640)], 1080, 720)).toBe(274);
  expect(fittingStrip(Array(12).fill(camera(1920, 886)), 1080, 720)).toBe(90);
  expect(fittingStrip([], 0, 0)).toBe(90);
});
