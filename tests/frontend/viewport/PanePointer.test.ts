// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PanePointer } from "@/viewport/PanePointer";
import type { PointerInput, Tool } from "@/viewport/Tool";

const LEFT = 0;
const RIGHT = 2;
let pane: HTMLElement;
let pointer: PanePointer;
const gestures = {
  describe: (event: MouseEvent, x: number, y: number) =>
    ({ button: event.button, x, y }) as unknown as PointerInput,
  describeNothing: () => ({ pick: null }) as unknown as PointerInput,
  orbit: vi.fn(),
  pan: vi.fn(),
  zoom: vi.fn(),
  hover: vi.fn(),
};
const tool = {
  cursor: "crosshair",
  onClick: vi.fn(),
  cancel: vi.fn(),
  onPointerDown: vi.fn((_: PointerInput) => false),
  onPointerUp: vi.fn(),
} satisfies Tool;

function send(type: string, x: number, y: number, fields: MouseEventInit = {}): void {
  pane.dispatchEvent(
    new PointerEvent(type, { pointerId: 1, clientX: x, clientY: y, bubbles: true, ...fields }),
  );
}

function drag(to: [number, number], fields: MouseEventInit = {}): void {
  send("pointerdown", 10, 10, fields);
  send("pointermove", ...to, fields);
  send("pointerup", ...to, fields);
}

beforeEach(() => {
  vi.clearAllMocks();
  pane = document.createElement("div");
  pane.setPointerCapture = () => undefined; // jsdom has none
  document.body.append(pane);
  pointer = new PanePointer(pane, gestures);
  pointer.setTool(tool);
});

afterEach(() => {
  pointer.dispose();
  pane.remove();
});

test.each([LEFT, RIGHT])("a press and release in place with button %d is a click", (button) => {
  drag([12, 11], { button });

  expect(tool.onClick).toHaveBeenCalledWith({ button, x: 12, y: 11 });
  expect(gestures.orbit).not.toHaveBeenCalled();
  expect(gestures.pan).not.toHaveBeenCalled();
});

test("a drag is no click: left turns, right and Ctrl move", () => {
  drag([40, 10]);
  expect(gestures.orbit).toHaveBeenCalledWith(30, 0);

  drag([10, 30], { button: RIGHT });
  drag([10, 30], { ctrlKey: true });
  expect(gestures.pan.mock.calls).toEqual([
    [0, 20],
    [0, 20],
  ]);
  expect(tool.onClick).not.toHaveBeenCalled();
});

test("a tool may claim a left drag, but not one with Shift", () => {
  tool.onPointerDown.mockReturnValue(true);

  drag([40, 10]);
  expect(tool.onPointerUp).toHaveBeenCalledOnce();
  expect(gestures.orbit).not.toHaveBeenCalled();

  drag([40, 10], { shiftKey: true });
  expect(gestures.orbit).toHaveBeenCalledOnce();
});

test("the pane shows the cursor of the tool that hears its clicks", () => {
  expect(pane.style.cursor).toBe("crosshair");
  const other = { cursor: "pointer", onClick: vi.fn(), cancel: vi.fn() } satisfies Tool;

  pointer.setTool(other);
  drag([10, 10]);

  expect(pane.style.cursor).toBe("pointer");
  expect(other.onClick).toHaveBeenCalledOnce();
  expect(tool.onClick).not.toHaveBeenCalled();

  pointer.setTool(null);
  expect(pane.style.cursor).toBe("default");
});

test("a tool that is exchanged in the middle of its drag is told to let go", () => {
  tool.onPointerDown.mockReturnValue(true);
  const other = { cursor: "pointer", onPointerUp: vi.fn(), cancel: vi.fn() } satisfies Tool;

  send("pointerdown", 10, 10);
  pointer.setTool(other);
  send("pointerup", 40, 10);

  expect(tool.cancel).toHaveBeenCalledOnce();
  expect(other.onPointerUp).not.toHaveBeenCalled();
});
