import { expect, test } from "vitest";
import { SceneInfo } from "@/store/SceneInfo";

test("inside a part its ends are meant, outside of it the drive's", () => {
  const scene = new SceneInfo();
  expect(scene.spanRound(5, 100)).toEqual([0, 99]);

  scene.setPart([40, 79]);

  expect([40, 60, 79].map((frame) => scene.spanRound(frame, 100))).toEqual([
    [40, 79],
    [40, 79],
    [40, 79],
  ]);
  expect([39, 80].map((frame) => scene.spanRound(frame, 100))).toEqual([
    [0, 99],
    [0, 99],
  ]);
});
