const PATIENCE_MS = 200; // most frames are here sooner, and a flicker would disturb

/** Says in a pane's corner that what it shows is not yet the frame that was asked for. */
export class LoadingNote {
  private readonly element = document.createElement("div");
  private timer: ReturnType<typeof setTimeout> | undefined;
  private frame: number | null = null;

  constructor(container: HTMLElement) {
    this.element.className = "loading-note";
    this.element.setAttribute("role", "status");
    this.element.style.cssText =
      "position:absolute;left:8px;bottom:8px;padding:2px 8px;border-radius:4px;display:none;" +
      "background:rgb(20 22 27 / 80%);color:#d5d9e0;font:12px/1.5 system-ui;pointer-events:none";
    container.append(this.element);
  }

  /** null: the frame is on the screen. */
  show(frame: number | null): void {
    if (frame === this.frame) return;
    this.frame = frame;
    clearTimeout(this.timer);
    if (frame === null) {
      this.element.style.display = "none";
      return;
    }
    this.timer = setTimeout(() => {
      this.element.textContent = `Loading frame ${frame} …`;
      this.element.style.display = "block";
    }, PATIENCE_MS);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.element.remove();
  }
}
