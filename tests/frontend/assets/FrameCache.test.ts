import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DecoderPool } from "@/assets/DecoderPool";
import { FrameCache } from "@/assets/FrameCache";
import type { Frame, Sensor } from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";

type Request = { request: number; frame: number; kind: string; sensor: number | null };

/** The server's end: notes what is asked, answers when told to. */
class Server {
  readyState = 1;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  asked: Request[] = [];
  dropped: number[] = [];

  send(text: string): void {
    const message = JSON.parse(text);
    if (message.type === "want") this.asked.push(...message.requests);
    if (message.type === "drop") this.dropped.push(...message.requests);
  }
  close(): void {}
  answer({ request, frame }: Request, bytes = 100): void {
    const message = new Uint8Array(20 + bytes);
    const view = new DataView(message.buffer);
    view.setUint8(1, 1);
    view.setUint32(4, request, true);
    view.setUint32(8, frame, true);
    view.setUint32(16, bytes, true);
    this.onmessage?.({ data: message.buffer });
  }
  refuse({ request }: Request): void {
    const reason = "the object is missing from the store";
    this.onmessage?.({ data: JSON.stringify({ type: "bulk_unavailable", request, reason }) });
  }
  askedNames(): string[] {
    return this.asked.map(({ kind, frame, sensor }) => `${kind} ${frame} ${sensor ?? "-"}`);
  }
}

function decodedOf(kind: string): unknown {
  if (kind === "labels") return { revision: 1, masks: [] };
  if (kind === "sweep") return { points: new Uint16Array(400) };
  const planes = { luma: new Uint8Array(500), cb: new Uint8Array(0), cr: new Uint8Array(0) };
  return { widthPx: 20, heightPx: 25, isProxy: kind === "proxy", pixels: planes };
}

const decoders = {
  size: 2,
  decode: vi.fn(async (kind: string, lent: Uint8Array) => {
    // As a worker has it: what was lent is empty here from now on, and throws when lent again.
    const bytes = structuredClone(lent, { transfer: [lent.buffer] });
    return { value: decodedOf(kind), bytes };
  }),
  close: vi.fn(),
};

function build(frameCount = 30, options = {}) {
  const sensor = (number: number, kind: string) => ({ number, kind, name: `${kind}${number}` });
  const frames = Array.from({ length: frameCount }, (_, index) => ({
    index,
    readings: [{ sensor: 0 }, { sensor: 1 }],
  })) as unknown as Frame[];
  const scene = {
    frames,
    sensors: new Map([
      [0, sensor(0, "camera") as Sensor],
      [1, sensor(1, "lidar") as Sensor],
    ]),
    changed: new Emitter<void>(),
  };
  const timeline = { frame: 0, direction: 1, playing: false, changed: new Emitter<unknown>() };
  const loaded = new Set<number>();
  const document = {
    masksAt: (frame: number) => (loaded.has(frame) ? new Map() : undefined),
    loadFrame: (frame: number) => void loaded.add(frame),
    changed: new Emitter<{ readings: unknown }>(),
  };
  const server = new Server();
  const cache = new FrameCache(
    "ws://x/bulk",
    scene as never,
    timeline as never,
    document as never,
    { fetchAhead: 2, fetchBehind: 0, decodeAhead: 1, decodeBehind: 0, ...options },
    decoders as unknown as DecoderPool,
    () => server as unknown as WebSocket,
  );
  server.onopen?.();
  const seek = (frame: number): void => {
    timeline.frame = frame;
    timeline.changed.emit({});
  };
  return { cache, server, seek, document, loaded, scene };
}

const settle = () => vi.advanceTimersByTimeAsync(0);
async function answerAll(server: Server): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const requests = server.asked.splice(0);
    if (!requests.length) return;
    for (const request of requests) server.answer(request);
    await settle();
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
});
afterEach(() => vi.useRealTimers());

test("it asks for the frame at the playhead first, then for those ahead", async () => {
  const { server } = build();
  await settle();

  expect(server.askedNames()).toEqual([
    ...["sweep 0 1", "labels 0 -", "proxy 0 0"],
    ...["sweep 1 1", "labels 1 -", "proxy 1 0"],
    ...["sweep 2 1", "labels 2 -", "proxy 2 0"],
  ]);
});

test("a frame is ready when its points, pictures and masks are all there", async () => {
  const { cache, server } = build();
  await settle();
  const [sweep, labels, proxy] = server.asked;

  for (const request of [sweep!, labels!]) server.answer(request);
  await settle();
  expect(cache.isReady(0)).toBe(false);
  expect(cache.sweep(0, 1)?.points).toHaveLength(400);

  server.answer(proxy!);
  await settle();
  expect(cache.isReady(0)).toBe(true);
  expect(cache.image(0, 0)?.isProxy).toBe(true);
});

test("frames further ahead stay compressed until the playhead comes near", async () => {
  const { cache, server, seek } = build();
  await settle();
  await answerAll(server);
  expect(cache.sweep(1, 1)).toBeDefined();
  expect(cache.sweep(2, 1)).toBeUndefined();

  seek(1);
  await settle();

  expect(cache.sweep(2, 1)).toBeDefined();
  expect(server.askedNames()).toEqual(["sweep 3 1", "labels 3 -", "proxy 3 0"]);
});

test("a seek drops what is no longer wanted and keeps what still is", async () => {
  const { server, seek } = build();
  await settle();
  const ofFrame = (frame: number) => server.asked.filter((request) => request.frame === frame);
  const gone = [...ofFrame(0), ...ofFrame(1)].map(({ request }) => request);

  seek(2);
  await settle();

  expect(server.dropped.sort()).toEqual(gone.sort());
  expect(server.askedNames().filter((name) => name === "sweep 2 1")).toHaveLength(1);
});

test("the full picture is fetched on demand, shown instead of the proxy, and not for the next frame", async () => {
  const { cache, server, seek } = build();
  await settle();
  await answerAll(server);

  cache.wantFull(0, 0);
  await settle();
  expect(server.askedNames()).toEqual(["image 0 0"]);
  await answerAll(server);
  expect(cache.image(0, 0)?.isProxy).toBe(false);

  seek(1);
  await settle();
  expect(server.askedNames()).not.toContain("image 1 0");
});

test("masks are asked for again when a new snapshot has emptied the document", async () => {
  const { server, loaded, document } = build();
  await settle();
  await answerAll(server);

  loaded.clear();
  document.changed.emit({ readings: "all" });
  await settle();

  expect(server.askedNames()).toEqual(["labels 0 -", "labels 1 -", "labels 2 -"]);
});

test("an object that cannot be had is reported, does not hold up play, and is tried again", async () => {
  const { cache, server } = build();
  const states: (string | null)[] = [];
  cache.status.on(({ error }) => void states.push(error));
  await settle();
  server.refuse(server.asked.find(({ kind }) => kind === "sweep")!);
  server.asked.splice(0, 1);
  await answerAll(server);

  expect(cache.isReady(0)).toBe(true);
  await vi.advanceTimersByTimeAsync(600);
  expect(states.at(-1)).toBe("Frame 0, lidar1: the object is missing from the store");

  await vi.advanceTimersByTimeAsync(5000);
  expect(server.askedNames()).toEqual(["sweep 0 1"]);
  await answerAll(server);
  await vi.advanceTimersByTimeAsync(600);
  expect(states.at(-1)).toBeNull();
  expect(cache.sweep(0, 1)).toBeDefined();
});

test("over budget, what is furthest from the playhead goes first", async () => {
  const { cache, server, seek } = build(30, {
    fetchAhead: 0,
    decodeAhead: 0,
    decodedBytes: 2 * (800 + 500),
  });
  for (const frame of [0, 10, 11]) {
    seek(frame);
    await settle();
    await answerAll(server);
  }

  expect(cache.sweep(0, 1)).toBeUndefined();
  expect(cache.sweep(10, 1)).toBeDefined();
  expect(cache.sweep(11, 1)).toBeDefined();
});

test("what was let go is decoded again from the bytes that are still here", async () => {
  const { cache, server, seek } = build(30, { fetchAhead: 0, decodeAhead: 0, decodedBytes: 1 });
  for (const frame of [0, 10]) {
    seek(frame);
    await settle();
    await answerAll(server);
  }
  expect(cache.sweep(0, 1)).toBeUndefined();

  seek(0);
  await settle();

  expect(server.askedNames()).toEqual([]);
  expect(cache.sweep(0, 1)).toBeDefined();
  expect(cache.image(0, 0)).toBeDefined();
});

test("loaded frames are reported as ranges", async () => {
  const { cache, server } = build();
  const reports: [number, number][][] = [];
  cache.status.on(({ loaded }) => void reports.push(loaded));
  await settle();
  await answerAll(server);
  await vi.advanceTimersByTimeAsync(600);

  expect(reports.at(-1)).toEqual([[0, 2]]);
});
