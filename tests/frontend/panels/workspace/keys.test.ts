// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from "vitest";
import { KEY_GROUPS, onKey, releaseAfterClick } from "@/panels/workspace/keys";
import type { Room } from "@/panels/workspace/Room";
import { Appearance } from "@/store/Appearance";
import { Timeline } from "@/store/Timeline";

const car = { id: 12, name: "car" };
const bus = { id: 15, name: "bus" };
let room: ReturnType<typeof build>;
const switches = { toggleKeys: vi.fn(), enlarge: vi.fn() };

function build() {
  const timeline = new Timeline();
  timeline.setFrameCount(100);
  timeline.seek(50);
  return {
    timeline,
    appearance: new Appearance(),
    cloud: { topView: vi.fn() },
    resetViews: vi.fn(),
    offeredClasses: () => [car, bus],
    undo: vi.fn(),
    follow: vi.fn(),
    followable: [40, 79],
    deleteTrack: vi.fn(),
    deleteMaskHere: vi.fn(),
    beginObject: vi.fn(),
    selectNext: vi.fn(),
    setTool: vi.fn(),
    cancel: vi.fn(),
    togglePlay: vi.fn(),
    flyToTrack: vi.fn(),
    toggleIsolated: vi.fn(),
  };
}

/** Presses a key on an element of the page; says whether it was ours. */
function press(key: string, fields: KeyboardEventInit = {}, html = "<main></main>"): boolean {
  document.body.innerHTML = html;
  let isOurs = false;
  const target = document.body.querySelector("[data-here]") ?? document.body.firstElementChild!;
  target.addEventListener("keydown", (event) => {
    isOurs = onKey(event as KeyboardEvent, room as unknown as Room, switches);
  });
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...fields }));
  return isOurs;
}

beforeEach(() => {
  vi.clearAllMocks();
  room = build();
});

test.each([
  ["f", {}, 51],
  ["ArrowRight", {}, 51],
  ["d", {}, 49],
  ["ArrowLeft", { shiftKey: true }, 45],
  ["ArrowRight", { shiftKey: true }, 55],
  ["v", {}, 60],
  ["c", {}, 40],
  ["Home", {}, 0],
  ["End", {}, 99],
])("%s %o goes to the frame that people expect", (key, fields, frame) => {
  expect(press(key, fields)).toBe(true);
  expect(room.timeline.frame).toBe(frame);
});

test("a digit begins a new object of its class; one that no class has is not ours", () => {
  expect(press("2", { code: "Digit2" })).toBe(true);
  expect(room.beginObject).toHaveBeenCalledWith(bus.id);
  expect(press("7", { code: "Digit7" })).toBe(false);
});

test("Shift and a digit enlarge a camera, on any keyboard layout", () => {
  press('"', { code: "Digit2", shiftKey: true });

  expect(switches.enlarge).toHaveBeenCalledWith(1);
});

test("Shift+F brings every pane back, Shift+V lets one look from above", () => {
  press("F", { shiftKey: true });
  expect(room.resetViews).toHaveBeenCalledOnce();
  press("V", { shiftKey: true });
  expect(room.cloud.topView).toHaveBeenCalledOnce();
  expect(room.timeline.frame).toBe(50);
});

test("Del is for this frame, with Shift for all of them", () => {
  press("Delete");
  expect(room.deleteMaskHere).toHaveBeenCalledOnce();
  expect(room.deleteTrack).not.toHaveBeenCalled();

  press("Delete", { shiftKey: true });
  expect(room.deleteTrack).toHaveBeenCalledOnce();
  expect(room.deleteMaskHere).toHaveBeenCalledOnce();
});

test("Ctrl+Z undoes, Ctrl+B follows to the end of the task, other commands stay the browser's", () => {
  press("z", { ctrlKey: true });
  expect(room.undo).toHaveBeenCalledOnce();
  press("b", { ctrlKey: true });
  expect(room.follow).toHaveBeenCalledWith(79);

  for (const key of ["f", "d", "c", "v", "1", "a"]) {
    expect(press(key, { ctrlKey: true }), key).toBe(false);
  }
});

test("Tab goes through the objects in a pane only: elsewhere it moves the focus", () => {
  expect(press("Tab", {}, "<button>Submit</button>")).toBe(false);
  expect(room.selectNext).not.toHaveBeenCalled();

  expect(press("Tab", { shiftKey: true }, '<div class="pane-view"></div>')).toBe(true);
  expect(room.selectNext).toHaveBeenCalledWith(-1);
});

test("who types is left alone, and so is a list that is open", () => {
  for (const html of ["<input type=search>", "<select></select>", "<textarea></textarea>"]) {
    expect(press("f", {}, html), html).toBe(false);
    expect(press("Delete", {}, html), html).toBe(false);
  }
  expect(press("f", {}, "<main></main><dialog open></dialog>")).toBe(false);
  expect(room.timeline.frame).toBe(50);
});

test("Esc ends typing, Enter ends a number", () => {
  expect(press("Escape", {}, "<input type=search>")).toBe(true);
  expect(press("Enter", {}, "<input type=number>")).toBe(true);
  expect(press("Enter", {}, "<input type=text>")).toBe(false); // it sends a form
  expect(room.cancel).not.toHaveBeenCalled();
});

test("a button that the mouse has pressed lets go, so that Space plays", () => {
  document.body.innerHTML = "<button>Hide</button><button aria-expanded=false>Look</button>";
  const pressed = (button: HTMLButtonElement, detail: number): boolean => {
    button.focus();
    button.addEventListener("click", releaseAfterClick, { once: true });
    button.dispatchEvent(new MouseEvent("click", { detail, bubbles: true }));
    return document.activeElement === button;
  };
  const [hide, look] = [...document.querySelectorAll("button")] as [
    HTMLButtonElement,
    HTMLButtonElement,
  ];

  expect(pressed(hide, 1)).toBe(false);
  expect(pressed(hide, 0)).toBe(true); // the keyboard pressed it
  expect(pressed(look, 1)).toBe(true); // Esc will close what it opens
});

test("arrows move a slider that has the focus, Space presses a button that has it", () => {
  expect(press("ArrowRight", {}, "<input type=range>")).toBe(false);
  expect(press(" ", {}, "<button>Play</button>")).toBe(false);
  expect(room.timeline.frame).toBe(50);

  expect(press(" ")).toBe(true);
  expect(room.togglePlay).toHaveBeenCalledOnce();
});

test("the points grow and shrink within sight", () => {
  for (let time = 0; time < 30; time++) press("]");
  expect(room.appearance.pointSize).toBe(8);
  for (let time = 0; time < 30; time++) press("[");
  expect(room.appearance.pointSize).toBe(1);
});

test("the overlay names no key twice", () => {
  const keys = KEY_GROUPS.flatMap(({ bindings }) => bindings.map((binding) => binding.keys));

  expect(keys.length).toBeGreaterThan(20);
  expect(new Set(keys).size).toBe(keys.length);
});
