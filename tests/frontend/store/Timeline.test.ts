import { expect, test } from "vitest";
import { Timeline, type TimelineChange } from "@/store/Timeline";

function timelineOf(frameCount: number): { timeline: Timeline; told: TimelineChange[] } {
  const timeline = new Timeline();
  timeline.setFrameCount(frameCount);
  const told: TimelineChange[] = [];
  timeline.changed.on((change) => told.push(change));
  return { timeline, told };
}

test("a seek beyond the ends stays at them", () => {
  const { timeline } = timelineOf(10);

  timeline.seek(99);
  expect(timeline.frame).toBe(9);
  timeline.seek(-3);
  expect(timeline.frame).toBe(0);
});

test("a step says where it came from and stops playing", () => {
  const { timeline, told } = timelineOf(10);
  timeline.play(1);

  timeline.step(2);

  expect(told.at(-1)).toEqual({ frame: 2, previous: 0, playing: false });
});

test("playing moves at its rate and waits for a frame that is not there", () => {
  const { timeline } = timelineOf(10);
  timeline.ratePerSecond = 10;
  const isReady = (frame: number) => frame < 2;
  timeline.play(1);

  for (const nowMs of [1000, 1050, 1100, 1200, 1300, 1400]) timeline.tick(nowMs, isReady);
  expect(timeline.frame).toBe(1);
  timeline.tick(1500, () => true);
  expect(timeline.frame).toBe(2);
});

test("playing ends at the end and starts over from there", () => {
  const { timeline } = timelineOf(3);
  timeline.seek(2);
  timeline.play(1);
  expect(timeline.frame).toBe(0);

  for (let nowMs = 0; nowMs <= 1000; nowMs += 100) timeline.tick(nowMs, () => true);

  expect(timeline.frame).toBe(2);
  expect(timeline.playing).toBe(false);
});
