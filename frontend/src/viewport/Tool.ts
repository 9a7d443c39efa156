/** What is under the pointer. `position`: (x, y, z) metres in ego, or (u, v) pixels in a picture. */
export interface Pick {
  position: number[];
  track: number | null; // the topmost visible track there
  sensor: number;
  point?: number; // index in the sweep, in the cloud
}

/** A DOM pointer event in the scene's own terms. */
export interface PointerInput {
  view: "cloud" | "image";
  sensor: number; // of the picture, or of the sweep under the pointer (-1: nothing is there)
  frame: number;
  pick: Pick | null;
  button: number; // 0 left, 1 middle, 2 right; -1 when moving with no button held
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
  x: number; // CSS pixels from the pane's top left
  y: number;
}

/** True: the event is the tool's, and nobody else's. */
// biome-ignore lint/suspicious/noConfusingVoidType: methods that return nothing at all fit, too
export type Claims = boolean | void;

/**
 * A small state machine that turns pointer input into requests.
 *
 * Any method may be left out. `onPointerDown` claims the drag by returning true; otherwise the pane
 * uses it to move its camera, and a press that is released within a few pixels is also an
 * `onClick`, with whichever button it was.
 */
export interface Tool {
  readonly cursor?: string; // a CSS cursor
  onPointerDown?(input: PointerInput): Claims;
  onPointerMove?(input: PointerInput): void;
  onPointerUp?(input: PointerInput): void;
  onClick?(input: PointerInput): void;
  onDoubleClick?(input: PointerInput): void;
  onKey?(event: KeyboardEvent): Claims;
  cancel(): void;
}

/** The parts of an input that any DOM event knows by itself. */
export function describeEvent(event: MouseEvent): {
  button: number;
  shift: boolean;
  ctrl: boolean;
  alt: boolean;
} {
  const isHover = event.type === "pointermove" && !event.buttons;
  return {
    button: isHover ? -1 : event.button,
    shift: event.shiftKey,
    ctrl: event.ctrlKey || event.metaKey,
    alt: event.altKey,
  };
}
