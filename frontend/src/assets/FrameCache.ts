import type { Frame } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
import type { LabelDocument } from "@/store/LabelDocument";
import type { SceneInfo } from "@/store/SceneInfo";
import type { Timeline } from "@/store/Timeline";
import { BulkSocket } from "./BulkSocket";
import { DecoderPool } from "./DecoderPool";
import { bytesOfImage, type DecodedImage, isPlanes } from "./imageDecoding";
import { keyOf, rangesOf, type Wanted, type Window, wantedObjects } from "./plan";
import type { DecodedSweep } from "./SweepDecoder";

export interface CacheOptions extends Window {
  compressedBytes: number; // budgets
  decodedBytes: number;
  mostOutstanding: number; // requests the server knows of at a time
}

const DEFAULTS: CacheOptions = {
  decodeAhead: 5,
  decodeBehind: 2,
  fetchAhead: 20,
  fetchBehind: 6,
  compressedBytes: 400 << 20,
  decodedBytes: 320 << 20,
  mostOutstanding: 24,
};

export interface CacheStatus {
  loaded: [number, number][]; // ranges of frames that are here, compressed or decoded
  bytesPerSecond: number;
  isConnected: boolean;
  error: string | null; // in words for a person; null when all is well
}

interface Failure {
  message: string;
  askAgainAt: number; // performance.now()
}

interface Stored<T> {
  frame: number;
  bytes: number;
  value: T;
}

const RETRY_MS = 5000;
const STATUS_MS = 500;

/**
 * The readings of one scene: asks for what the playhead needs next, decodes, keeps, lets go.
 * States and budgets: README.md beside this file.
 */
export class FrameCache {
  /** A sweep or picture has been decoded: whoever shows that reading draws again. */
  readonly arrived = new Emitter<{ frame: number; sensor: number }>();
  readonly status = new Emitter<CacheStatus>();

  private readonly options: CacheOptions;
  private readonly compressed = new Map<string, Stored<Uint8Array>>();
  private readonly decoded = new Map<string, Stored<DecodedSweep | DecodedImage>>();
  private readonly decoding = new Set<string>();
  private readonly outstanding = new Map<number, Wanted>(); // by request number
  private readonly failures = new Map<string, Failure>();
  private readonly full = new Set<number>(); // cameras whose full size is wanted
  private fullFrame = -1;
  private readonly socket: BulkSocket;
  private readonly unsubscribe: (() => void)[];
  private nextRequest = 1;
  private isPlanned = false;
  private isClosed = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private statusTimer: ReturnType<typeof setTimeout> | undefined;
  private connectionError: string | null = null;
  private recentBytes = 0;
  private statusSince = performance.now();

  constructor(
    url: string,
    private readonly scene: SceneInfo,
    private readonly timeline: Timeline,
    private readonly document: LabelDocument,
    options: Partial<CacheOptions> = {},
    private readonly decoders: DecoderPool = new DecoderPool(),
    connect?: (url: string) => WebSocket,
  ) {
    this.options = { ...DEFAULTS, ...options };
    this.socket = new BulkSocket(url, this.listener(), connect);
    this.unsubscribe = [
      timeline.changed.on(() => this.planSoon()),
      scene.changed.on(() => this.planSoon()),
      document.changed.on((change) => {
        if (change.readings === "all") this.planSoon();
      }),
    ];
  }

  sweep(frame: number, sensor: number): DecodedSweep | undefined {
    const stored = this.decoded.get(keyOf({ kind: "sweep", frame, sensor }));
    return stored?.value as DecodedSweep | undefined;
  }

  /** The best that is here: full size, else the proxy. */
  image(frame: number, sensor: number): DecodedImage | undefined {
    const stored =
      this.decoded.get(keyOf({ kind: "image", frame, sensor })) ??
      this.decoded.get(keyOf({ kind: "proxy", frame, sensor }));
    return stored?.value as DecodedImage | undefined;
  }

  /** Whether all of a frame can be shown at once. */
  isReady(frame: number): boolean {
    const description = this.scene.frames[frame];
    if (!description) return false;
    const labels = keyOf({ kind: "labels", frame, sensor: null });
    if (this.document.masksAt(frame) === undefined && !this.failures.has(labels)) return false;
    return this.readingsOf(description).every(
      (object) => this.decoded.has(keyOf(object)) || this.failures.has(keyOf(object)),
    );
  }

  /** The picture is looked at closely. Holds until the playhead moves on. */
  wantFull(frame: number, sensor: number): void {
    if (frame !== this.timeline.frame) return;
    this.forgetFull();
    if (this.full.has(sensor)) return;
    this.full.add(sensor);
    this.planSoon();
  }

  close(): void {
    this.isClosed = true;
    for (const stop of this.unsubscribe) stop();
    clearTimeout(this.retryTimer);
    clearTimeout(this.statusTimer);
    this.socket.close();
    this.decoders.close();
    for (const key of [...this.decoded.keys()]) this.release(key);
    this.compressed.clear();
  }

  private listener() {
    return {
      onOpen: () => {
        this.outstanding.clear();
        this.connectionError = null;
        this.planSoon();
        this.report();
      },
      onObject: (request: number, bytes: Uint8Array) => {
        const wanted = this.outstanding.get(request);
        if (!wanted) return; // dropped while it was on its way
        this.outstanding.delete(request);
        this.compressed.set(keyOf(wanted), {
          frame: wanted.frame,
          bytes: bytes.length,
          value: bytes,
        });
        this.planSoon();
      },
      onUnavailable: (request: number, reason: string) => {
        const wanted = this.outstanding.get(request);
        if (!wanted) return;
        this.outstanding.delete(request);
        this.failed(wanted, reason);
      },
      onBytes: (count: number) => {
        this.recentBytes += count;
        this.report();
      },
      onLost: (reason: string, willRetry: boolean) => {
        this.outstanding.clear();
        this.connectionError = willRetry ? `Pictures and points: ${reason}; trying again` : reason;
        this.report();
      },
    };
  }

  /** One plan per task, however many things have changed in it. */
  private planSoon(): void {
    if (this.isPlanned || this.isClosed) return;
    this.isPlanned = true;
    queueMicrotask(() => {
      this.isPlanned = false;
      if (!this.isClosed) this.plan();
    });
  }

  private plan(): void {
    this.forgetFull();
    const playhead = { frame: this.timeline.frame, direction: this.timeline.direction };
    const wanted = wantedObjects(
      this.scene.frames,
      this.scene.sensors,
      playhead,
      this.options,
      this.full,
    );
    const wantedKeys = new Set(wanted.map(keyOf));
    this.startDecoding(wanted);
    this.evict(this.decoded, this.options.decodedBytes, wanted, (key) => this.release(key));
    this.evict(this.compressed, this.options.compressedBytes, wanted, (key) =>
      this.compressed.delete(key),
    );
    this.dropUnwanted(wantedKeys);
    for (const key of [...this.failures.keys()]) {
      if (!wantedKeys.has(key)) this.failures.delete(key); // the playhead is elsewhere by now
    }
    this.request(wanted);
    this.report();
  }

  private forgetFull(): void {
    if (this.fullFrame === this.timeline.frame) return;
    this.fullFrame = this.timeline.frame;
    this.full.clear();
  }

  private startDecoding(wanted: Wanted[]): void {
    // A short queue at the workers, so that a seek does not wait behind what is no longer wanted.
    const room = this.decoders.size * 2;
    for (const object of wanted) {
      if (this.decoding.size >= room) return;
      const key = keyOf(object);
      const stored = this.compressed.get(key);
      if (!object.decode || !stored || this.decoding.has(key) || this.decoded.has(key)) continue;
      this.decoding.add(key);
      void this.decode(object, key, stored);
    }
  }

  private async decode(object: Wanted, key: string, stored: Stored<Uint8Array>): Promise<void> {
    try {
      const { frame, sensor, kind } = object;
      if (kind === "labels") {
        const { revision, masks } = (await this.decoders.decode(kind, stored.value)).value;
        this.compressed.delete(key); // from now on the document keeps them up to date
        this.document.loadFrame(
          frame,
          revision,
          masks.map((mask) => ({ ...mask, frame })),
        );
      } else if (kind === "sweep") {
        const { value, bytes } = await this.decoders.decode(kind, stored.value);
        stored.value = bytes;
        this.decoded.set(key, { frame, bytes: value.points.byteLength, value });
      } else {
        const { value, bytes } = await this.decoders.decode(kind, stored.value);
        stored.value = bytes;
        this.decoded.set(key, { frame, bytes: bytesOfImage(value), value });
      }
      this.failures.delete(key);
      if (sensor !== null) this.arrived.emit({ frame, sensor });
    } catch (error) {
      this.compressed.delete(key);
      this.failed(object, error instanceof Error ? error.message : String(error));
    } finally {
      this.decoding.delete(key);
      this.planSoon();
    }
  }

  private failed(object: Wanted, reason: string): void {
    const name = object.sensor === null ? "labels" : this.scene.sensors.get(object.sensor)?.name;
    this.failures.set(keyOf(object), {
      message: `Frame ${object.frame}, ${name}: ${reason}`,
      askAgainAt: performance.now() + RETRY_MS,
    });
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.planSoon(), RETRY_MS);
    this.planSoon();
  }

  private dropUnwanted(wantedKeys: ReadonlySet<string>): void {
    const gone = [...this.outstanding].filter(([, object]) => !wantedKeys.has(keyOf(object)));
    for (const [request] of gone) this.outstanding.delete(request);
    this.socket.drop(gone.map(([request]) => request));
  }

  private request(wanted: Wanted[]): void {
    if (!this.socket.isOpen) return;
    const underWay = new Set([...this.outstanding.values()].map(keyOf));
    const requests = [];
    for (const object of wanted) {
      if (this.outstanding.size >= this.options.mostOutstanding) break;
      if (underWay.has(keyOf(object)) || !this.isMissing(object)) continue;
      const request = this.nextRequest++;
      this.outstanding.set(request, object);
      requests.push({ request, frame: object.frame, kind: object.kind, sensor: object.sensor });
    }
    this.socket.want(requests);
  }

  private isMissing(object: Wanted): boolean {
    const key = keyOf(object);
    if (this.compressed.has(key) || this.decoded.has(key) || this.decoding.has(key)) return false;
    if (object.kind === "labels" && this.document.masksAt(object.frame) !== undefined) return false;
    const failure = this.failures.get(key);
    return failure === undefined || failure.askAgainAt <= performance.now();
  }

  /** Lets go of what is furthest from the playhead, never of what the plan wants decoded. */
  private evict<T>(
    store: ReadonlyMap<string, Stored<T>>,
    budget: number,
    wanted: Wanted[],
    letGo: (key: string) => void,
  ): void {
    let total = 0;
    for (const { bytes } of store.values()) total += bytes;
    if (total <= budget) return;
    const kept = new Set(wanted.filter((object) => object.decode).map(keyOf));
    const distance = ({ frame }: Stored<T>): number => Math.abs(frame - this.timeline.frame);
    const furthestFirst = [...store]
      .filter(([key]) => !kept.has(key))
      .sort(([, first], [, second]) => distance(second) - distance(first));
    for (const [key, { bytes }] of furthestFirst) {
      if (total <= budget) return;
      total -= bytes;
      letGo(key);
    }
  }

  private release(key: string): void {
    const value = this.decoded.get(key)?.value;
    if (value && "pixels" in value && !isPlanes(value.pixels)) value.pixels.close();
    this.decoded.delete(key);
  }

  private readingsOf({ index, readings }: Frame): Wanted[] {
    return readings.map(({ sensor }) => ({
      kind: this.scene.sensors.get(sensor)?.kind === "lidar" ? "sweep" : "proxy",
      frame: index,
      sensor,
      decode: true,
    }));
  }

  private isLoaded(frame: number): boolean {
    const description = this.scene.frames[frame];
    return (
      description !== undefined &&
      this.readingsOf(description).every((object) => {
        const key = keyOf(object);
        return this.compressed.has(key) || this.decoded.has(key);
      })
    );
  }

  /** At most twice a second: the bar that shows it need not follow every message. */
  private report(): void {
    if (this.statusTimer || this.isClosed) return;
    this.statusTimer = setTimeout(() => {
      this.statusTimer = undefined;
      const now = performance.now();
      const seconds = (now - this.statusSince) / 1000;
      this.status.emit({
        loaded: rangesOf(this.scene.frames.length, (frame) => this.isLoaded(frame)),
        bytesPerSecond: this.recentBytes / seconds,
        isConnected: this.socket.isOpen,
        error: this.connectionError ?? [...this.failures.values()].at(-1)?.message ?? null,
      });
      this.statusSince = now;
      if (this.recentBytes > 0) this.report(); // once more, so that the rate falls back to 0
      this.recentBytes = 0;
    }, STATUS_MS);
  }
}
