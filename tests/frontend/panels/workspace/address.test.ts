// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keepFrameInAddress } from "@/panels/workspace/address";
import { Timeline } from "@/store/Timeline";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("a reload comes back to the frame where the person rested, and to the task", () => {
  history.replaceState(null, "", "/scenes/7?task=3");
  const timeline = new Timeline();
  timeline.setFrameCount(100);
  const stop = keepFrameInAddress(timeline);

  timeline.seek(41);
  timeline.seek(42);
  expect(location.search).toBe("?task=3"); // not yet: browsers allow few such changes

  vi.advanceTimersByTime(1000);
  expect(`${location.pathname}${location.search}`).toBe("/scenes/7?task=3&frame=42");

  timeline.seek(50);
  stop();
  vi.advanceTimersByTime(1000);
  expect(location.search).toBe("?task=3&frame=42");
});
