import type { BulkRequest, Frame, Sensor } from "@/protocol/messages";

export type Kind = BulkRequest["kind"];

/** One object that the browser wants. */
export interface Wanted {
  kind: Kind;
  frame: number;
  sensor: number | null; // null: labels, all sensors at once
  decode: boolean; // now, or keep it compressed until the playhead is nearer
}

export interface Window {
  decodeAhead: number;
  decodeBehind: number;
  fetchAhead: number;
  fetchBehind: number;
}

export interface Playhead {
  frame: number;
  direction: 1 | -1;
}

export const keyOf = ({ kind, frame, sensor }: Omit<Wanted, "decode">): string =>
  `${kind}:${frame}:${sensor ?? ""}`;

/** Frames around the playhead, most urgent first: here, then ahead, with those behind mixed in. */
export function framesAround(
  { frame, direction }: Playhead,
  frameCount: number,
  ahead: number,
  behind: number,
): number[] {
  const order = [frame];
  for (let step = 1; step <= Math.max(ahead, behind); step++) {
    if (step <= ahead) order.push(frame + direction * step);
    if (step <= behind) order.push(frame - direction * step);
  }
  return order.filter((index) => index >= 0 && index < frameCount);
}

/**
 * What to have, most urgent first: of each frame the sweeps, the labels, the half-size pictures.
 * Full-size pictures (`full`: sensors) are for the frame at the playhead, and come right after it.
 */
export function wantedObjects(
  frames: readonly Frame[],
  sensors: ReadonlyMap<number, Sensor>,
  playhead: Playhead,
  window: Window,
  full: ReadonlySet<number>,
): Wanted[] {
  const near = new Set(
    framesAround(playhead, frames.length, window.decodeAhead, window.decodeBehind),
  );
  const around = framesAround(playhead, frames.length, window.fetchAhead, window.fetchBehind);
  return around.flatMap((index) => {
    const readings = frames[index]!.readings.map((reading) => reading.sensor);
    const decode = near.has(index);
    const object = (kind: Kind, sensor: number | null): Wanted => ({
      kind,
      frame: index,
      sensor,
      decode,
    });
    const lidars = readings.filter((sensor) => sensors.get(sensor)?.kind === "lidar");
    const cameras = readings.filter((sensor) => sensors.get(sensor)?.kind === "camera");
    const wanted = [
      ...lidars.map((sensor) => object("sweep", sensor)),
      // Labels are read as soon as they come: bytes that lie about would miss later news.
      { ...object("labels", null), decode: true },
      ...cameras.map((sensor) => object("proxy", sensor)),
    ];
    if (index !== playhead.frame) return wanted;
    const sharp = cameras.filter((sensor) => full.has(sensor));
    return [...wanted, ...sharp.map((sensor) => object("image", sensor))];
  });
}

/** Ascending, disjoint [first, last] ranges of the frames for which `has` is true. */
export function rangesOf(frameCount: number, has: (frame: number) => boolean): [number, number][] {
  const ranges: [number, number][] = [];
  for (let frame = 0; frame < frameCount; frame++) {
    if (!has(frame)) continue;
    const last = ranges.at(-1);
    if (last && last[1] === frame - 1) last[1] = frame;
    else ranges.push([frame, frame]);
  }
  return ranges;
}
