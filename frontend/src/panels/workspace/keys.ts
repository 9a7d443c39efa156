import type { Room } from "./Room";

export interface KeyBinding {
  keys: string; // as people read them; two spaces between such as do the same
  meaning: string;
}

/** What the overlay shows, in groups. Kept beside `onKey`, which does it. */
export const KEY_GROUPS: { title: string; bindings: KeyBinding[] }[] = [
  {
    title: "Frames",
    bindings: [
      { keys: "F  →", meaning: "Next frame" },
      { keys: "D  ←", meaning: "Previous frame" },
      { keys: "Shift+→  Shift+←", meaning: "5 frames on, back" },
      { keys: "V  C", meaning: "10 frames on, back" },
      { keys: "Home  End", meaning: "First, last frame" },
      { keys: "Space", meaning: "Play, stop" },
    ],
  },
  {
    title: "Objects",
    bindings: [
      { keys: "A", meaning: "Click tool" },
      { keys: "1 – 9", meaning: "New object of this class" },
      { keys: "N", meaning: "New object of the same class" },
      { keys: "Tab  Shift+Tab", meaning: "Next, previous object (in a pane)" },
      { keys: "T", meaning: "Fly to the object" },
      { keys: "H  Shift+H", meaning: "Show it alone; show all" },
      { keys: "Ctrl+B", meaning: "Follow it to the end of the task" },
      { keys: "Del", meaning: "Delete its mask in this frame" },
      { keys: "Shift+Del", meaning: "Delete it in all frames" },
      { keys: "Ctrl+Z", meaning: "Undo my last edit" },
      { keys: "Esc", meaning: "Cancel, let go, select tool" },
    ],
  },
  {
    title: "Issues",
    bindings: [
      { keys: "I", meaning: "Pin an issue to a place" },
      { keys: "Y", meaning: "Do what the chosen issue suggests" },
    ],
  },
  {
    title: "Mouse",
    bindings: [
      { keys: "Left click", meaning: "This belongs to it (click tool)" },
      { keys: "Shift+click", meaning: "The same, also on another object" },
      { keys: "Right click  Alt+click", meaning: "This does not" },
      { keys: "Left drag", meaning: "Turn the cloud; move a picture" },
      { keys: "Right drag  Ctrl+drag", meaning: "Move the cloud or a picture" },
      { keys: "Wheel", meaning: "Zoom to the pointer" },
      { keys: "Middle click", meaning: "Turn the cloud about this point" },
      { keys: "Double click", meaning: "Go there in the cloud (select tool)" },
    ],
  },
  {
    title: "View",
    bindings: [
      { keys: "Shift+1 – 9", meaning: "Enlarge this camera" },
      { keys: "Shift+V", meaning: "Cloud from above" },
      { keys: "Shift+F", meaning: "Cloud and pictures as at the start" },
      { keys: "[  ]", meaning: "Smaller, larger points" },
      { keys: "Ctrl+Q", meaning: "Points over pictures" },
      { keys: "F1  ?", meaning: "This list" },
    ],
  },
];

export interface Switches {
  toggleKeys(): void;
  enlarge(camera: number): void; // 0: the first one
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.matches("input:not([type=range]):not([type=checkbox]), select, textarea");

const isControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("button, a, summary, input");

/** Esc ends typing, so does Enter in a number: the keys are the workspace's again. */
function leavesField(event: KeyboardEvent): boolean {
  const field = event.target as HTMLElement;
  const isDone =
    event.key === "Escape" || (event.key === "Enter" && field.matches("[type=number]"));
  if (isDone) field.blur();
  return isDone;
}

/** Arrow keys move what such a control sets. */
const hasOwnArrows = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input[type=range], input[type=radio]");

/**
 * A button that the mouse has pressed keeps the focus, and the next Space would press it again
 * instead of playing. One that opens something keeps it, so that Esc closes that.
 */
export function releaseAfterClick(event: MouseEvent): void {
  if (event.detail === 0) return; // the keyboard pressed it
  const button = event.target instanceof Element && event.target.closest("button");
  if (button && button.getAttribute("aria-expanded") !== "false") button.blur();
}

/** True: the key was ours. */
export function onKey(event: KeyboardEvent, room: Room, switches: Switches): boolean {
  if (event.defaultPrevented) return false;
  if (isTyping(event.target)) return leavesField(event);
  if (document.querySelector("dialog[open]")) return false;
  if (hasOwnArrows(event.target) && /^(Arrow|Home|End)/.test(event.key)) return false;
  const hasCommand = event.ctrlKey || event.metaKey;
  if (hasCommand) return onCommandKey(event.key.toLowerCase(), event.shiftKey, room);
  if (event.altKey) return false;
  if (event.shiftKey && onShiftKey(event, room, switches)) return true;
  return onPlainKey(event, room, switches);
}

function onCommandKey(key: string, isShifted: boolean, room: Room): boolean {
  if (isShifted) return false;
  switch (key) {
    case "z":
      room.undo();
      return true;
    case "b":
      room.follow(room.followable[1]);
      return true;
    case "q":
      room.appearance.set({ showPointsOnImages: !room.appearance.showPointsOnImages });
      return true;
    default:
      return false;
  }
}

function onShiftKey(event: KeyboardEvent, room: Room, switches: Switches): boolean {
  const digit = /^Digit([1-9])$/.exec(event.code);
  if (digit) {
    switches.enlarge(Number(digit[1]) - 1);
    return true;
  }
  switch (event.key) {
    case "ArrowRight":
      room.timeline.step(5);
      return true;
    case "ArrowLeft":
      room.timeline.step(-5);
      return true;
    case "Delete":
      room.deleteTrack();
      return true;
    case "H":
      room.appearance.showAll();
      return true;
    case "V":
      room.cloud?.topView();
      return true;
    case "F":
      room.resetViews();
      return true;
    default:
      return false;
  }
}

function onPlainKey(event: KeyboardEvent, room: Room, switches: Switches): boolean {
  const { timeline, appearance } = room;
  const labelClass = /^[1-9]$/.test(event.key) && room.offeredClasses()[Number(event.key) - 1];
  if (labelClass) {
    room.beginObject(labelClass.id);
    return true;
  }
  switch (event.key) {
    case "f":
    case "ArrowRight":
      timeline.step(1);
      return true;
    case "d":
    case "ArrowLeft":
      timeline.step(-1);
      return true;
    case "v":
      timeline.step(10);
      return true;
    case "c":
      timeline.step(-10);
      return true;
    case "Home":
      timeline.step(-timeline.frameCount);
      return true;
    case "End":
      timeline.step(timeline.frameCount);
      return true;
    case " ":
      if (isControl(event.target)) return false; // it presses that button
      room.togglePlay();
      return true;
    case "Escape":
      room.cancel();
      return true;
    case "Tab":
      // Elsewhere it moves the focus, which people who cannot use a mouse need.
      if (!(event.target as HTMLElement).closest?.(".pane-view")) return false;
      room.selectNext(event.shiftKey ? -1 : 1);
      return true;
    case "a":
      room.setTool("click");
      return true;
    case "n":
      room.beginObject();
      return true;
    case "t":
      room.flyToTrack();
      return true;
    case "i":
      room.setTool("issue");
      return true;
    case "y":
      void room.decideIssue(room.issues.chosen, true);
      return true;
    case "h":
      room.toggleIsolated();
      return true;
    case "Delete":
      room.deleteMaskHere();
      return true;
    case "[":
      appearance.set({ pointSize: Math.max(1, appearance.pointSize - 0.5) });
      return true;
    case "]":
      appearance.set({ pointSize: Math.min(8, appearance.pointSize + 0.5) });
      return true;
    case "?":
    case "F1":
      switches.toggleKeys();
      return true;
    default:
      return false;
  }
}
