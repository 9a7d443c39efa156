import type { WebGLRenderer, WebGLRenderTarget } from "three";

/** Pixels on each side of the pointer in which a point may still be hit. */
const REACH_PX = 5;
const WINDOW = 2 * REACH_PX + 1;

export interface Hit {
  slot: number; // which sweep, from 1
  point: number; // index in the sweep
}

/**
 * The hit nearest to the middle of a square window of the id buffer; null when it is empty.
 *
 * window: [side x side] RGBA; a pixel is index + 1 in 24 bits, low byte first, then the slot.
 */
export function nearestHit(window: Uint8Array, side: number): Hit | null {
  const middle = (side - 1) / 2;
  let best: Hit | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (let pixel = 0; pixel < side * side; pixel++) {
    const slot = window[pixel * 4 + 3]!;
    if (slot === 0) continue;
    const distance = (Math.floor(pixel / side) - middle) ** 2 + ((pixel % side) - middle) ** 2;
    if (distance >= bestDistance) continue;
    bestDistance = distance;
    const index =
      window[pixel * 4]! | (window[pixel * 4 + 1]! << 8) | (window[pixel * 4 + 2]! << 16);
    best = { slot, point: index - 1 };
  }
  return best;
}

/**
 * Which point is under the pointer, read from the ids that the last drawing of the points left
 * behind: the cost does not depend on how many points there are.
 */
export class Picker {
  private readonly window = new Uint8Array(WINDOW * WINDOW * 4);
  private isReading = false;

  constructor(
    private readonly renderer: WebGLRenderer,
    private readonly target: WebGLRenderTarget, // texture 1 holds the ids
  ) {}

  /** x, y: device pixels from the top left. */
  pick(x: number, y: number): Hit | null {
    const [left, bottom] = this.corner(x, y);
    this.window.fill(0);
    this.renderer.readRenderTargetPixels(
      this.target,
      left,
      bottom,
      WINDOW,
      WINDOW,
      this.window,
      undefined,
      1,
    );
    return nearestHit(this.window, WINDOW);
  }

  /** As `pick`, without waiting for the GPU; undefined while an earlier one is under way. */
  async pickLater(x: number, y: number): Promise<Hit | null | undefined> {
    if (this.isReading) return undefined;
    this.isReading = true;
    try {
      const [left, bottom] = this.corner(x, y);
      const window = new Uint8Array(WINDOW * WINDOW * 4);
      await this.renderer.readRenderTargetPixelsAsync(
        this.target,
        left,
        bottom,
        WINDOW,
        WINDOW,
        window,
        undefined,
        1,
      );
      return nearestHit(window, WINDOW);
    } finally {
      this.isReading = false;
    }
  }

  private corner(x: number, y: number): [number, number] {
    const clamp = (value: number, size: number): number =>
      Math.max(0, Math.min(size - WINDOW, Math.round(value) - REACH_PX));
    const fromBottom = this.target.height - 1 - y;
    return [clamp(x, this.target.width), clamp(fromBottom, this.target.height)];
  }
}
