import type { MaskSource } from "@/protocol/binary";
import type { Cuboid, LabelClass, Track } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
export interface MaskEntry {
  track: number;
  sensor: number;
  frame: number;
  runs: Uint8Array;
  area: number;
  confidence: number | null;
  source: MaskSource;
}
export interface LabelChange {
  tracks: Set<number> | "all";
  readings: Set<string> | "all";
}
export class LabelDocument {
  readonly changed = new Emitter<LabelChange>();
  tracks = new Map<number, Track>();
  labelClasses = new Map<number, LabelClass>();
  cuboids = new Map<string, Cuboid>();
  private readonly frames = new Map<number, Map<number, MaskEntry[]>>();
  masksAt(frame: number): ReadonlyMap<number, readonly MaskEntry[]> | undefined {
    return this.frames.get(frame);
  }
  loadFrame(frame: number, _revision: number, entries: MaskEntry[]): void {
    const sensors = new Map<number, MaskEntry[]>();
    for (const entry of entries) {
      sensors.set(entry.sensor, [...(sensors.get(entry.sensor) ?? []), entry]);
    }
    this.frames.set(frame, sensors);
    const readings = new Set(entries.map(({ sensor }) => `${frame}:${sensor}`));
    this.changed.emit({ tracks: new Set(), readings });
  }
}
