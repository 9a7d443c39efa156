import { expect, test } from "vitest";
import { PictureView } from "@/viewport/PictureView";

function view(): PictureView {
  const made = new PictureView(1920, 1280);
  made.setPane(960, 700); // fits by width: half size, 30 pixels free above and below
  return made;
}

test("a fitting picture is centred", () => {
  expect(view().screenAt(0, 0)).toEqual([0, 30]);
  expect(view().pixelAt(960, 670)).toEqual([1920, 1280]);
  expect(view().scale).toBe(0.5);
});

test("zooming keeps the pixel under the pointer", () => {
  const made = view();
  const before = made.pixelAt(300, 400);

  made.zoomAt(300, 400, 3);

  const after = made.pixelAt(300, 400);
  expect(after[0]).toBeCloseTo(before[0]);
  expect(after[1]).toBeCloseTo(before[1]);
  expect(made.scale).toBeCloseTo(1.5);
});

test("it cannot be made smaller than the pane, nor dragged out of it", () => {
  const made = view();
  made.zoomAt(10, 10, 0.2);
  expect(made.zoom).toBe(1);

  made.zoomAt(480, 350, 4);
  made.pan(100_000, 100_000);
  expect(made.pixelAt(0, 0)).toEqual([0, 0]);
});

test("the border's outside is not in the picture", () => {
  expect(view().isInside([1919.9, 0])).toBe(true);
  expect(view().isInside([1920, 0])).toBe(false);
  expect(view().isInside([5, -0.1])).toBe(false);
});
