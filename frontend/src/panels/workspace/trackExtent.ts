import type { FrameCache } from "@/assets/FrameCache";
import { spansOfRuns } from "@/geometry/masks";
import type { LabelDocument } from "@/store/LabelDocument";

const OUTLIERS = 0.05; // at each end: the few points that a mask catches on the wall behind
const LEAST_SIZE_M = 2;

/** [x, y, z] in ego of the track's LiDAR points in one frame, as far as they are loaded. */
export function pointsOfTrack(
  document: Pick<LabelDocument, "masksOf">,
  cache: Pick<FrameCache, "sweep">,
  frame: number,
  track: number,
): number[][] {
  const points: number[][] = [];
  for (const { sensor, runs } of document.masksOf(track, frame)) {
    const sweep = cache.sweep(frame, sensor);
    if (!sweep) continue;
    const spans = spansOfRuns(runs);
    for (let index = 0; index < spans.length; index += 2) {
      for (let point = spans[index]!; point < spans[index + 1]!; point++) {
        const at = point * 4;
        points.push(
          sweep.lowCorner.map((low, axis) => low + sweep.stepM * sweep.points[at + axis]!),
        );
      }
    }
  }
  return points;
}

/** Middle and longest side, metres, of the box around most of the points; null without any. */
export function extentOf(points: readonly number[][]): { centre: number[]; size: number } | null {
  if (!points.length) return null;
  const sides = [0, 1, 2].map((axis) => {
    const values = points.map((point) => point[axis]!).sort((a, b) => a - b);
    const cut = Math.floor(values.length * OUTLIERS);
    return { low: values[cut]!, high: values[values.length - 1 - cut]! };
  });
  return {
    centre: sides.map(({ low, high }) => (low + high) / 2),
    size: Math.max(LEAST_SIZE_M, ...sides.map(({ low, high }) => high - low)),
  };
}
