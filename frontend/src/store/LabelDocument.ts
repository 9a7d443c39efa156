import { areaOfRuns } from "@/geometry/masks";
import { bytesFromBase64, type MaskSource } from "@/protocol/binary";
import type { Cuboid, LabelClass, LabelsChanged, Mask, Snapshot, Track } from "@/protocol/messages";
import { Emitter } from "./Emitter";

export interface MaskEntry {
  track: number;
  sensor: number;
  frame: number;
  runs: Uint8Array;
  area: number;
  confidence: number | null;
  source: MaskSource;
}

/** What may look different now. Readings are named `${frame}:${sensor}`. */
export interface LabelChange {
  tracks: Set<number> | "all";
  readings: Set<string> | "all";
}

export type Applied = "applied" | "gap" | "old";

interface LoadedFrame {
  revision: number; // of the bytes it came from; the news since then is in it, too
  sensors: Map<number, MaskEntry[]>;
}

/** A mask that news brought (null: took away) before the rest of its frame was loaded. */
interface EarlyNews {
  revision: number;
  track: number;
  sensor: number;
  entry: MaskEntry | null;
}

/**
 * The labels of a scene at one revision, changed by the server's news alone.
 *
 * Masks come frame by frame, in bulk, each frame as it was at some revision: news that is newer
 * than a frame's bytes is kept until they arrive, news that they contain already is not applied to
 * them. So whatever comes late, twice or in another order, the document ends where a fresh load
 * would.
 */
export class LabelDocument {
  readonly changed = new Emitter<LabelChange>();
  revision = 0;
  readonly tracks = new Map<number, Track>();
  readonly labelClasses = new Map<number, LabelClass>();
  readonly cuboids = new Map<string, Cuboid>(); // by `${track}:${frame}`
  private readonly frames = new Map<number, LoadedFrame>();
  private readonly early = new Map<number, Map<string, EarlyNews>>(); // by frame, `sensor:track`
  private readonly deletedAt = new Map<number, number>(); // track -> revision
  private firstRevision = 0; // of the snapshot: bytes from before it may miss news
  private readonly firstOfFrame = new Map<number, number>(); // the same, of frames given up since
  private readonly leaps: [number, number][] = []; // from, to of news that summed up several edits

  /** By sensor, lowest draw order first; undefined while the frame's masks are not loaded. */
  masksAt(frame: number): ReadonlyMap<number, readonly MaskEntry[]> | undefined {
    return this.frames.get(frame)?.sensors;
  }

  replaceWith(snapshot: Snapshot): void {
    this.revision = this.firstRevision = snapshot.revision;
    this.setClasses(snapshot.label_classes);
    this.tracks.clear();
    for (const track of snapshot.tracks) this.tracks.set(track.number, track);
    this.cuboids.clear();
    for (const cuboid of snapshot.cuboids) this.cuboids.set(keyOfCuboid(cuboid), cuboid);
    this.frames.clear();
    this.early.clear();
    this.deletedAt.clear();
    this.leaps.length = 0;
    this.firstOfFrame.clear();
    this.changed.emit({ tracks: "all", readings: "all" });
  }

  /** The project's classes; they are no part of the revision. */
  refreshClasses(labelClasses: readonly LabelClass[]): void {
    this.setClasses(labelClasses);
    this.changed.emit({ tracks: "all", readings: new Set() });
  }

  /** The masks of one frame as they were at `revision`. */
  loadFrame(frame: number, revision: number, entries: readonly MaskEntry[]): void {
    if (!this.isUsable(frame, revision)) return; // stays unloaded, and is asked for again
    const loaded = this.frames.get(frame);
    if (loaded && revision <= Math.max(loaded.revision, this.revision)) return;
    const sensors = new Map<number, MaskEntry[]>();
    this.frames.set(frame, { revision, sensors });
    for (const entry of entries) {
      if ((this.deletedAt.get(entry.track) ?? -1) > revision) continue;
      sensors.set(entry.sensor, [...(sensors.get(entry.sensor) ?? []), entry]);
    }
    for (const news of this.early.get(frame)?.values() ?? []) {
      if (news.revision > revision) this.place(sensors, news.track, news.sensor, news.entry);
    }
    this.early.delete(frame);
    for (const masks of sensors.values()) this.sort(masks);
    const touched = new Set([...(loaded?.sensors.keys() ?? []), ...sensors.keys()]);
    const readings = new Set([...touched].map((sensor) => `${frame}:${sensor}`));
    this.changed.emit({ tracks: new Set(), readings });
  }

  /**
   * "gap": nothing was changed, as something before it is missing, or as it sums up edits of which
   * we know some: a mask that one of those made and a later one took away is not in the sum.
   * "old": it is known already.
   */
  apply(news: LabelsChanged): Applied {
    if (news.revision <= this.revision) return "old";
    if (news.from_revision !== this.revision) return "gap";
    this.revision = news.revision;
    const hasUnloaded = this.leap(news.from_revision, news.revision);
    const readings = new Set<string>();
    for (const number of news.deleted_tracks) this.deleteTrack(number, news.revision, readings);
    this.putTracks(news.tracks, readings);
    for (const { track, frame, sensor } of news.deleted_masks) {
      this.putMask(news.revision, { track, frame, sensor, entry: null }, readings);
    }
    for (const mask of news.masks) {
      const { track, frame, sensor } = mask;
      this.putMask(news.revision, { track, frame, sensor, entry: entryOfMask(mask) }, readings);
    }
    for (const cuboid of news.deleted_cuboids) this.cuboids.delete(keyOfCuboid(cuboid));
    for (const cuboid of news.cuboids) this.cuboids.set(keyOfCuboid(cuboid), cuboid);
    const cuboidTracks = [...news.cuboids, ...news.deleted_cuboids].map(({ track }) => track);
    const tracks = new Set([
      ...news.tracks.map(({ number }) => number),
      ...news.deleted_tracks,
      ...cuboidTracks,
    ]);
    this.changed.emit({ tracks, readings: hasUnloaded ? "all" : readings });
    return "applied";
  }

  /** The masks of one track in one frame, all sensors. */
  masksOf(track: number, frame: number): MaskEntry[] {
    const sensors = this.frames.get(frame)?.sensors.values() ?? [];
    return [...sensors].flatMap((masks) => masks.filter((mask) => mask.track === track));
  }

  private setClasses(labelClasses: readonly LabelClass[]): void {
    this.labelClasses.clear();
    for (const one of [...labelClasses].sort((a, b) => a.position - b.position || a.id - b.id)) {
      this.labelClasses.set(one.id, one);
    }
  }

  private isUsable(frame: number, revision: number): boolean {
    const first = this.firstOfFrame.get(frame) ?? this.firstRevision;
    return revision >= first && !this.leaps.some((leap) => isWithin(revision, leap));
  }

  /**
   * News of several edits says nothing of a mask that came and went in between, but bytes from
   * within that time may hold it. True when such a frame was loaded, and now is not.
   */
  private leap(from: number, to: number): boolean {
    if (to - from < 2) return false;
    this.leaps.push([from, to]);
    const doubtful = [...this.frames].filter(([, { revision }]) => isWithin(revision, [from, to]));
    for (const [frame] of doubtful) {
      this.frames.delete(frame);
      this.firstOfFrame.set(frame, to);
    }
    return doubtful.length > 0;
  }

  private deleteTrack(number: number, revision: number, readings: Set<string>): void {
    this.tracks.delete(number);
    this.deletedAt.set(number, revision);
    for (const [key, cuboid] of this.cuboids) {
      if (cuboid.track === number) this.cuboids.delete(key);
    }
    for (const [frame, { revision: loadedAt, sensors }] of this.frames) {
      if (loadedAt >= revision) continue;
      for (const [sensor, masks] of sensors) {
        if (!masks.some(({ track }) => track === number)) continue;
        this.place(sensors, number, sensor, null);
        readings.add(`${frame}:${sensor}`);
      }
    }
    for (const news of this.early.values()) {
      for (const [key, { track }] of news) if (track === number) news.delete(key);
    }
  }

  private putTracks(tracks: readonly Track[], readings: Set<string>): void {
    const moved = new Set<number>();
    for (const track of tracks) {
      if (this.drawOrder(track.number) !== track.draw_order) moved.add(track.number);
      this.tracks.set(track.number, track);
    }
    if (!moved.size) return;
    for (const [frame, { sensors }] of this.frames) {
      for (const [sensor, masks] of sensors) {
        if (!masks.some(({ track }) => moved.has(track))) continue;
        this.sort(masks);
        readings.add(`${frame}:${sensor}`);
      }
    }
  }

  private putMask(
    revision: number,
    { track, frame, sensor, entry }: Omit<EarlyNews, "revision"> & { frame: number },
    readings: Set<string>,
  ): void {
    const loaded = this.frames.get(frame);
    if (!loaded) {
      const early = this.early.get(frame) ?? new Map<string, EarlyNews>();
      early.set(`${sensor}:${track}`, { revision, track, sensor, entry });
      this.early.set(frame, early);
      return;
    }
    if (loaded.revision >= revision) return; // its bytes know better
    this.place(loaded.sensors, track, sensor, entry);
    readings.add(`${frame}:${sensor}`);
  }

  private place(
    sensors: Map<number, MaskEntry[]>,
    track: number,
    sensor: number,
    entry: MaskEntry | null,
  ): void {
    const others = (sensors.get(sensor) ?? []).filter((mask) => mask.track !== track);
    const masks = entry ? [...others, entry] : others;
    this.sort(masks);
    sensors.set(sensor, masks);
  }

  private sort(masks: MaskEntry[]): void {
    masks.sort((a, b) => this.drawOrder(a.track) - this.drawOrder(b.track) || a.track - b.track);
  }

  private drawOrder(track: number): number {
    return this.tracks.get(track)?.draw_order ?? 0;
  }
}

function isWithin(revision: number, [from, to]: [number, number]): boolean {
  return revision > from && revision < to;
}

function keyOfCuboid({ track, frame }: { track: number; frame: number }): string {
  return `${track}:${frame}`;
}

function entryOfMask({ runs, track, sensor, frame, confidence, source }: Mask): MaskEntry {
  const bytes = bytesFromBase64(runs);
  return { track, sensor, frame, runs: bytes, area: areaOfRuns(bytes), confidence, source };
}
