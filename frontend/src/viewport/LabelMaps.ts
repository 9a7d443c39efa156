import { changedSpan, NO_TRACK, type Painted, paintMasks } from "@/geometry/masks";
import { Emitter } from "@/store/Emitter";
import type { LabelDocument } from "@/store/LabelDocument";

/** Which track owns each pixel or point of one reading; the topmost where masks overlap. */
export interface LabelMap {
  tracks: Uint16Array;
  version: number;
  before: number; // the version that this one came from
  /** [first, end) around what differs from the version before; null: all of it may. */
  changed: [number, number] | null;
}

/**
 * Label maps of the readings that are on the screen, painted once for cloud and pictures.
 * Only one frame's maps are kept: those of the frame that was last asked for.
 */
export class LabelMaps {
  /** The maps of these readings (or all) are out of date. */
  readonly changed = new Emitter<"all" | ReadonlySet<string>>();
  private frame = -1;
  private readonly maps = new Map<number, LabelMap>();
  private readonly painted = new Map<number, { frame: number; masks: readonly Painted[] }>();
  private readonly stale = new Set<number>();
  private versions = 0;

  constructor(private readonly document: LabelDocument) {
    document.changed.on(({ tracks, readings }) => {
      // A track's draw order may have changed: then all its maps may.
      const affected = tracks === "all" || tracks.size > 0 ? "all" : readings;
      for (const sensor of this.maps.keys()) {
        if (affected === "all" || readings === "all" || readings.has(`${this.frame}:${sensor}`)) {
          this.stale.add(sensor);
        }
      }
      this.changed.emit(affected === "all" ? "all" : readings);
    });
  }

  /** size: elements of the reading. */
  map(frame: number, sensor: number, size: number): LabelMap {
    if (frame !== this.frame) {
      this.frame = frame;
      for (const number of this.maps.keys()) this.stale.add(number);
    }
    const before = this.maps.get(sensor);
    if (before && before.tracks.length === size && !this.stale.has(sensor)) return before;
    this.stale.delete(sensor);
    const map = this.paint(sensor, size, before);
    this.maps.set(sensor, map);
    return map;
  }

  private paint(sensor: number, size: number, before: LabelMap | undefined): LabelMap {
    const masks = (this.document.masksAt(this.frame)?.get(sensor) ?? []).filter(
      ({ track }) => track < NO_TRACK,
    );
    const painted = this.painted.get(sensor);
    this.painted.set(sensor, { frame: this.frame, masks });
    // Maps of pictures have megabytes: they are painted into the same ones, edit by edit and frame
    // by frame.
    const kept = before?.tracks.length === size ? before : undefined;
    if (kept && painted?.frame === this.frame) return this.repaint(kept, painted.masks, masks);
    const tracks = kept?.tracks ?? new Uint16Array(size);
    paintMasks(tracks, masks);
    return { tracks, version: ++this.versions, before: -1, changed: null };
  }

  private repaint(map: LabelMap, before: readonly Painted[], masks: readonly Painted[]): LabelMap {
    const span = changedSpan(before, masks);
    const { tracks, version } = map;
    if (!span || span[0] >= tracks.length) return map;
    const changed: [number, number] = [span[0], Math.min(span[1], tracks.length)];
    paintMasks(tracks, masks, changed);
    return { tracks, version: ++this.versions, before: version, changed };
  }
}
