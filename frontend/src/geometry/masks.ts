import { decodeVarints, encodeVarints } from "@/protocol/binary";

/**
 * Masks are run lengths over one reading: row-major pixels of a picture, or the stored points of a
 * sweep; alternating background and foreground, background first (inference/masks.py).
 */

/** In a label map: nobody's. Track numbers stay below, so that a map fits 16 bits. */
export const NO_TRACK = 0xffff;

/** A mask that is painted: higher draw orders come later in a list of these. */
export interface Painted {
  track: number;
  runs: Uint8Array;
}

/** [first, end) of each foreground run, flat: first0, end0, first1, end1, ... */
export function spansOfRuns(runs: Uint8Array): Uint32Array {
  const lengths = decodeVarints(runs);
  const spans = new Uint32Array((lengths.length >> 1) * 2);
  let at = 0;
  for (let index = 0; index < lengths.length; index++) {
    at += lengths[index]!;
    if (index < spans.length) spans[index] = at;
  }
  return spans;
}

/** Number of elements inside the mask. */
export function areaOfRuns(runs: Uint8Array): number {
  const lengths = decodeVarints(runs);
  let area = 0;
  for (let index = 1; index < lengths.length; index += 2) area += lengths[index]!;
  return area;
}

/** Elements of `mask` that are not 0, as canonical runs. */
export function runsOfMask(mask: ArrayLike<number | boolean>): Uint8Array {
  const lengths: number[] = [];
  let inside = false;
  let start = 0;
  for (let index = 0; index < mask.length; index++) {
    if (Boolean(mask[index]) === inside) continue;
    lengths.push(index - start);
    start = index;
    inside = !inside;
  }
  if (inside) lengths.push(mask.length - start);
  return encodeVarints(lengths);
}

/**
 * Paint masks into a label map of one reading, later ones over earlier ones.
 *
 * map: [N], cleared to NO_TRACK first. Runs that reach beyond the map are cut at its end.
 */
export function paintMasks(map: Uint16Array, masks: Iterable<Painted>): void {
  map.fill(NO_TRACK);
  for (const { track, runs } of masks) {
    const spans = spansOfRuns(runs);
    for (let index = 0; index < spans.length; index += 2) {
      map.fill(track, spans[index]!, spans[index + 1]!);
    }
  }
}

/** [first, end) of where two maps of one length differ; null when they are equal. */
export function changedSpan(before: Uint16Array, after: Uint16Array): [number, number] | null {
  let first = 0;
  while (first < after.length && before[first] === after[first]) first++;
  if (first === after.length) return null;
  let end = after.length;
  while (before[end - 1] === after[end - 1]) end--;
  return [first, end];
}

export interface PixelBox {
  u: number;
  v: number;
  width: number;
  height: number;
}

/** The smallest box around all differing pixels of two [height, width] maps; null when equal. */
export function changedBox(
  before: Uint16Array,
  after: Uint16Array,
  width: number,
): PixelBox | null {
  const span = changedSpan(before, after);
  if (!span) return null;
  const top = Math.floor(span[0] / width);
  const bottom = Math.floor((span[1] - 1) / width);
  let left = width;
  let right = -1;
  for (let v = top; v <= bottom; v++) {
    const row = v * width;
    for (let u = 0; u < left; u++) {
      if (before[row + u] !== after[row + u]) left = u;
    }
    for (let u = width - 1; u > right; u--) {
      if (before[row + u] !== after[row + u]) right = u;
    }
  }
  return { u: left, v: top, width: right - left + 1, height: bottom - top + 1 };
}
