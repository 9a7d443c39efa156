const MOST_SCREEN_PER_PICTURE_PIXEL = 24;

/** Which part of a picture a pane shows. Screen: CSS pixels from the pane's top left. */
export class PictureView {
  zoom = 1; // 1: the whole picture fits
  private centre: [number, number];
  private pane: [number, number] = [1, 1];

  constructor(
    readonly widthPx: number,
    readonly heightPx: number,
  ) {
    this.centre = [widthPx / 2, heightPx / 2];
  }

  setPane(width: number, height: number): void {
    this.pane = [Math.max(1, width), Math.max(1, height)];
    this.keepInside();
  }

  fit(): void {
    this.zoom = 1;
    this.centre = [this.widthPx / 2, this.heightPx / 2];
  }

  /** Screen pixels per picture pixel. */
  get scale(): number {
    return this.zoom * this.fitScale;
  }

  pixelAt(x: number, y: number): [number, number] {
    return [
      this.centre[0] + (x - this.pane[0] / 2) / this.scale,
      this.centre[1] + (y - this.pane[1] / 2) / this.scale,
    ];
  }

  screenAt(u: number, v: number): [number, number] {
    return [
      this.pane[0] / 2 + (u - this.centre[0]) * this.scale,
      this.pane[1] / 2 + (v - this.centre[1]) * this.scale,
    ];
  }

  isInside([u, v]: readonly [number, number]): boolean {
    return u >= 0 && v >= 0 && u < this.widthPx && v < this.heightPx;
  }

  /** Enlarge by `factor`; the pixel under (x, y) stays there. */
  zoomAt(x: number, y: number, factor: number): void {
    const [u, v] = this.pixelAt(x, y);
    const largest = Math.max(1, MOST_SCREEN_PER_PICTURE_PIXEL / this.fitScale);
    this.zoom = Math.min(largest, Math.max(1, this.zoom * factor));
    this.centre = [
      u - (x - this.pane[0] / 2) / this.scale,
      v - (y - this.pane[1] / 2) / this.scale,
    ];
    this.keepInside();
  }

  pan(dx: number, dy: number): void {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] - dy / this.scale];
    this.keepInside();
  }

  private get fitScale(): number {
    return Math.min(this.pane[0] / this.widthPx, this.pane[1] / this.heightPx);
  }

  /** A picture larger than the pane has no gap at its border; a smaller one is centred. */
  private keepInside(): void {
    this.centre = [this.widthPx, this.heightPx].map((size, axis) => {
      const half = this.pane[axis]! / 2 / this.scale;
      if (size <= 2 * half) return size / 2;
      return Math.min(size - half, Math.max(half, this.centre[axis]!));
    }) as [number, number];
  }
}
