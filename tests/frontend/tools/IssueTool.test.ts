import { expect, test, vi } from "vitest";
import { Selection } from "@/store/Selection";
import { IssueTool } from "@/tools/IssueTool";
import type { PointerInput } from "@/viewport/Tool";

const input = (fields: Partial<PointerInput>) =>
  ({ button: 0, frame: 4, pick: null, ...fields }) as PointerInput;

test("a click pins to the place and to the object that is there", () => {
  const selection = new Selection();
  const begin = vi.fn();
  const tool = new IssueTool(selection, begin);

  tool.onClick(input({ pick: { sensor: 2, position: [3, 4], track: 7 } }));

  expect(begin).toHaveBeenCalledWith({ frame: 4, sensor: 2, position: [3, 4], track: 7 });
  expect(selection.track).toBe(7);
});

test("a click beside everything is about the frame as a whole", () => {
  const begin = vi.fn();
  new IssueTool(new Selection(), begin).onClick(input({}));

  expect(begin).toHaveBeenCalledWith({ frame: 4, sensor: null, position: null, track: null });
});

test("other buttons are not the tool's", () => {
  const begin = vi.fn();
  new IssueTool(new Selection(), begin).onClick(input({ button: 2 }));

  expect(begin).not.toHaveBeenCalled();
});
