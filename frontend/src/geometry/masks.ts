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
 * map: [N]. Only [first, end) of it is touched; it is cleared to NO_TRACK there first. Runs that
 * reach beyond are cut.
 */
export function paintMasks(
  map: Uint16Array,
  masks: Iterable<Painted>,
  [first, end]: [number, number] = [0, map.length],
): void {
  map.fill(NO_TRACK, first, end);
  for (const { track, runs } of masks) {
    const spans = spansOfRuns(runs);
    for (let index = 0; index < spans.length; index += 2) {
      map.fill(track, Math.max(spans[index]!, first), Math.min(spans[index + 1]!, end));
    }
  }
}

/**
 * [first, end) outside of which two paintings are equal; null when all of them is.
 *
 * Found from the masks, as looking at every pixel of two pictures takes longer than to paint one.
 */
export function changedSpan(
  before: readonly Painted[],
  after: readonly Painted[],
): [number, number] | null {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isSame(before[head]!, after[head]!)) head++;
  let tail = 0;
  while (tail < shorter - head && isSame(before.at(-1 - tail)!, after.at(-1 - tail)!)) tail++;
  let [first, end] = [Number.POSITIVE_INFINITY, 0];
  for (const masks of [before, after]) {
    for (const { runs } of masks.slice(head, masks.length - tail)) {
      const spans = spansOfRuns(runs);
      if (!spans.length) continue;
      first = Math.min(first, spans[0]!);
      end = Math.max(end, spans.at(-1)!);
    }
  }
  return first < end ? [first, end] : null;
}

function isSame(one: Painted, other: Painted): boolean {
  if (one.track !== other.track || one.runs.length !== other.runs.length) return false;
  return one.runs === other.runs || one.runs.every((byte, index) => byte === other.runs[index]);
}
