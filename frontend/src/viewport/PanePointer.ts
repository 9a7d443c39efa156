import type { PointerInput, Tool } from "./Tool";

const CLICK_REACH_PX = 4;

/** What a pane does with pointer input that is not the tool's. CSS pixels from its top left. */
export interface PaneGestures {
  describe(event: MouseEvent, x: number, y: number): PointerInput;
  /** Undefined: the pane has no such motion. */
  orbit?(dx: number, dy: number): void;
  pan(dx: number, dy: number): void;
  zoom(x: number, y: number, factor: number): void;
  pivot?(x: number, y: number): void;
  hover(event: MouseEvent, x: number, y: number): void;
  /** What the tool hears when the pointer leaves: nothing is under it any more. */
  describeNothing(event: MouseEvent): PointerInput;
}

type Drag = "tool" | "orbit" | "pan";

/**
 * Translates DOM events to the tool's input and the pane's own motions.
 *
 * Left drag orbits (or pans a picture) unless the tool claims it; Shift orbits in any tool, Ctrl or
 * the right or middle button pans, the wheel zooms to the pointer. A press and release in place is
 * a click for the tool, with the middle button the pivot.
 */
export class PanePointer {
  private held: Tool | null = null;
  private press: { id: number; x: number; y: number; drag: Drag; isClick: boolean } | null = null;
  private last: [number, number] = [0, 0];
  private readonly stop = new AbortController();

  constructor(
    private readonly element: HTMLElement,
    private readonly gestures: PaneGestures,
  ) {
    const on = <K extends keyof HTMLElementEventMap>(
      type: K,
      listener: (event: HTMLElementEventMap[K]) => void,
    ): void =>
      element.addEventListener(type, listener, { signal: this.stop.signal, passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", () => this.abandon());
    on("pointerleave", (event) => {
      if (!this.press) this.tool?.onPointerMove?.(gestures.describeNothing(event));
    });
    on("wheel", (event) => this.wheel(event));
    on("dblclick", (event) => {
      this.tool?.onDoubleClick?.(gestures.describe(event, ...this.at(event)));
    });
    on("auxclick", (event) => event.preventDefault());
    on("contextmenu", (event) => event.preventDefault()); // the right button is a negative click
    on("keydown", (event) => {
      if (this.tool?.onKey?.(event)) event.preventDefault();
    });
    element.tabIndex = 0;
    element.style.touchAction = "none";
  }

  get tool(): Tool | null {
    return this.held;
  }

  /** The tool that hears of clicks from now on; its cursor shows which one it is. */
  setTool(tool: Tool | null): void {
    if (tool !== this.held && this.press?.drag === "tool") this.abandon(); // it saw no beginning
    this.held = tool;
    this.element.style.cursor = tool?.cursor ?? "default";
  }

  dispose(): void {
    this.stop.abort();
  }

  private at(event: MouseEvent): [number, number] {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private down(event: PointerEvent): void {
    if (this.press) return;
    const [x, y] = this.at(event);
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    this.last = [x, y];
    if (event.button === 1) event.preventDefault(); // no auto-scroll
    this.press = { id: event.pointerId, x, y, drag: this.dragOf(event, x, y), isClick: true };
  }

  private dragOf(event: PointerEvent, x: number, y: number): Drag {
    if (event.button !== 0 || event.ctrlKey || event.metaKey) return "pan";
    if (event.shiftKey && this.gestures.orbit) return "orbit";
    if (this.tool?.onPointerDown?.(this.gestures.describe(event, x, y)) === true) return "tool";
    return this.gestures.orbit ? "orbit" : "pan";
  }

  private move(event: PointerEvent): void {
    const [x, y] = this.at(event);
    const { press } = this;
    if (!press) {
      this.gestures.hover(event, x, y);
      return;
    }
    if (press.id !== event.pointerId) return;
    if (Math.hypot(x - press.x, y - press.y) > CLICK_REACH_PX) press.isClick = false;
    if (press.drag === "tool") {
      this.tool?.onPointerMove?.(this.gestures.describe(event, x, y));
    } else if (!press.isClick) {
      const [dx, dy] = [x - this.last[0], y - this.last[1]];
      if (press.drag === "orbit") this.gestures.orbit?.(dx, dy);
      else this.gestures.pan(dx, dy);
    }
    this.last = [x, y];
  }

  private up(event: PointerEvent): void {
    const { press } = this;
    if (!press || press.id !== event.pointerId) return;
    this.press = null;
    const [x, y] = this.at(event);
    if (press.drag === "tool") this.tool?.onPointerUp?.(this.gestures.describe(event, x, y));
    if (!press.isClick) return;
    if (event.button === 1) this.gestures.pivot?.(x, y);
    else this.tool?.onClick?.(this.gestures.describe(event, x, y));
  }

  private abandon(): void {
    if (this.press?.drag === "tool") this.tool?.cancel();
    this.press = null;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 18 : 1;
    const notches = Math.max(-3, Math.min(3, (event.deltaY * lines) / 100));
    this.gestures.zoom(...this.at(event), 1.18 ** notches);
  }
}
