import { describe, expect, test } from "vitest";
import { base64FromBytes, encodeVarints } from "@/protocol/binary";
import type { LabelsChanged, Mask, Snapshot, Track } from "@/protocol/messages";
import { LabelDocument, type MaskEntry } from "@/store/LabelDocument";
import { news } from "../messages";

const track = (number: number, draw_order = 0): Track => ({
  number,
  label_class: 1,
  name: "",
  is_stuff: false,
  draw_order,
  source: "person",
  mask_frames: [],
});

/** A mask whose one run says which value it is. */
const mask = (number: number, frame: number, sensor: number, value = 1): Mask => ({
  track: number,
  frame,
  sensor,
  runs: base64FromBytes(encodeVarints([value, 1])),
  area: 1,
  confidence: null,
  source: "person",
});

const entry = (number: number, frame: number, sensor: number, value = 1): MaskEntry => ({
  ...mask(number, frame, sensor),
  runs: encodeVarints([value, 1]),
});

const snapshot = (revision: number, tracks: Track[] = []): Snapshot =>
  ({ revision, tracks, cuboids: [], label_classes: [] }) as unknown as Snapshot;

function documentAt(revision: number, ...tracks: Track[]): LabelDocument {
  const document = new LabelDocument();
  document.replaceWith(snapshot(revision, tracks));
  return document;
}

/** `frame:sensor:track` -> runs, of what is loaded. */
function masksOf(document: LabelDocument, frames: number): Record<string, string> {
  const found: Record<string, string> = {};
  for (let frame = 0; frame < frames; frame++) {
    for (const [sensor, masks] of document.masksAt(frame) ?? []) {
      for (const one of masks) found[`${frame}:${sensor}:${one.track}`] = one.runs.join();
    }
  }
  return found;
}

describe("news", () => {
  test("of the next revision is applied", () => {
    const document = documentAt(4);
    document.loadFrame(0, 4, []);

    expect(document.apply(news(4, { tracks: [track(7)], masks: [mask(7, 0, 2)] }))).toBe("applied");

    expect(document.revision).toBe(5);
    expect(document.tracks.get(7)).toEqual(track(7));
    expect(masksOf(document, 1)).toEqual({ "0:2:7": "1,1" });
  });

  test("that comes after a gap changes nothing", () => {
    const document = documentAt(4);

    expect(document.apply(news(5, { tracks: [track(7)] }))).toBe("gap");

    expect(document.revision).toBe(4);
    expect(document.tracks.size).toBe(0);
  });

  test("that is known already changes nothing and tells nobody", () => {
    const document = documentAt(4, track(7));
    let told = 0;
    document.changed.on(() => told++);

    expect(document.apply(news(3, { deleted_tracks: [7] }))).toBe("old");

    expect(document.tracks.has(7)).toBe(true);
    expect(told).toBe(0);
  });

  test("that sums up edits of which we know some is not enough: one may have been taken back", () => {
    const document = documentAt(4);

    expect(document.apply(news(2, { revision: 6, tracks: [track(7)] }))).toBe("gap");

    expect(document.revision).toBe(4);
  });

  test("names the readings and tracks that it changed", () => {
    const document = documentAt(4);
    document.loadFrame(3, 4, []);
    const changes: unknown[] = [];
    document.changed.on((change) => changes.push(change));

    document.apply(news(4, { tracks: [track(7)], masks: [mask(7, 3, 0), mask(7, 9, 0)] }));

    expect(changes).toEqual([{ tracks: new Set([7]), readings: new Set(["3:0"]) }]);
  });

  test("that deletes a track takes its masks and cuboids along", () => {
    const document = documentAt(4, track(7), track(8));
    document.cuboids.set("7:0", { track: 7, frame: 0 } as never);
    document.loadFrame(0, 4, [entry(7, 0, 1), entry(8, 0, 1)]);

    document.apply(news(4, { deleted_tracks: [7] }));

    expect(masksOf(document, 1)).toEqual({ "0:1:8": "1,1" });
    expect(document.cuboids.size).toBe(0);
  });
});

describe("the masks of a frame", () => {
  test("are unknown until they are loaded, also when news of the frame has come", () => {
    const document = documentAt(4);
    document.apply(news(4, { masks: [mask(7, 0, 1)] }));

    expect(document.masksAt(0)).toBeUndefined();
  });

  test("that are older than news already applied end as the news says", () => {
    const document = documentAt(4, track(6), track(7), track(8));
    document.apply(news(4, { masks: [mask(7, 0, 1, 5)] }));
    document.apply(news(5, { deleted_masks: [{ track: 6, frame: 0, sensor: 1 }] }));
    document.apply(news(6, { deleted_tracks: [8] }));

    document.loadFrame(0, 4, [entry(6, 0, 1), entry(7, 0, 1, 2), entry(8, 0, 1)]);

    expect(masksOf(document, 1)).toEqual({ "0:1:7": "5,1" });
  });

  test("that are newer than the news are left alone by it", () => {
    const document = documentAt(4, track(7));
    document.loadFrame(0, 6, [entry(7, 0, 1, 6)]);

    document.apply(news(4, { masks: [mask(7, 0, 1, 5)] }));

    expect(masksOf(document, 1)).toEqual({ "0:1:7": "6,1" });
  });

  test("from before the snapshot are not taken: the news between may be missing", () => {
    const document = documentAt(4, track(7));

    document.loadFrame(0, 3, [entry(7, 0, 1)]);

    expect(document.masksAt(0)).toBeUndefined();
  });

  test("are in draw order, the top one last, also after it changes", () => {
    const document = documentAt(4, track(7, 2), track(8, 1));
    document.loadFrame(0, 4, [entry(7, 0, 1), entry(8, 0, 1)]);
    const order = () =>
      document
        .masksAt(0)!
        .get(1)!
        .map((one) => one.track);
    expect(order()).toEqual([8, 7]);

    document.apply(news(4, { tracks: [track(8, 3)] }));

    expect(order()).toEqual([7, 8]);
  });

  test("of a track that was deleted and brought back are those of the undo", () => {
    const document = documentAt(4, track(7));
    document.apply(news(4, { deleted_tracks: [7] }));
    document.apply(news(5, { tracks: [track(7)], masks: [mask(7, 0, 1, 9)] }));

    document.loadFrame(0, 4, [entry(7, 0, 1, 2), entry(7, 0, 2, 2)]);

    expect(masksOf(document, 1)).toEqual({ "0:1:7": "9,1" });
  });
});

/** A plain server: every revision's whole state is kept, differences are found by comparing. */
class Server {
  states: { tracks: Map<number, number>; masks: Map<string, number> }[] = [
    { tracks: new Map(), masks: new Map() },
  ];

  constructor(private readonly random: () => number) {}

  get revision(): number {
    return this.states.length - 1;
  }

  edit(): void {
    const { tracks, masks } = this.states.at(-1)!;
    const next = { tracks: new Map(tracks), masks: new Map(masks) };
    const number = this.pick(4);
    const choice = this.random();
    if (choice < 0.15 && next.tracks.has(number)) {
      next.tracks.delete(number);
      for (const key of masks.keys()) if (key.startsWith(`${number}:`)) next.masks.delete(key);
    } else {
      if (!next.tracks.has(number) || choice < 0.3) next.tracks.set(number, this.pick(3));
      const key = `${number}:${this.pick(3)}:${this.pick(2)}`;
      if (choice < 0.5) next.masks.delete(key);
      else next.masks.set(key, this.states.length);
    }
    this.states.push(next);
  }

  news(from: number, to = this.revision): LabelsChanged {
    const [before, after] = [this.states[from]!, this.states[to]!];
    const gone = [...before.tracks.keys()].filter((number) => !after.tracks.has(number));
    // As our server does, a track that went and came back in between is whole again.
    const parts = (key: string) => key.split(":").map(Number) as [number, number, number];
    return news(from, {
      revision: to,
      tracks: [...after.tracks].map(([number, order]) => track(number, order)),
      deleted_tracks: gone,
      masks: [...after.masks]
        .filter(([key, value]) => before.masks.get(key) !== value)
        .map(([key, value]) => mask(...parts(key), value)),
      deleted_masks: [...before.masks.keys()]
        .filter((key) => !after.masks.has(key) && !gone.includes(parts(key)[0]))
        .map((key) => {
          const [number, frame, sensor] = parts(key);
          return { track: number, frame, sensor };
        }),
    });
  }

  blob(frame: number, revision: number): MaskEntry[] {
    return [...this.states[revision]!.masks]
      .map(([key, value]) => ({ at: key.split(":").map(Number), value }))
      .filter(({ at }) => at[1] === frame)
      .map(({ at, value }) => entry(at[0]!, frame, at[2]!, value));
  }

  freshLoad(): LabelDocument {
    const tracks = [...this.states.at(-1)!.tracks].map(([number, order]) => track(number, order));
    const document = documentAt(this.revision, ...tracks);
    for (const frame of [0, 1, 2]) {
      document.loadFrame(frame, this.revision, this.blob(frame, this.revision));
    }
    return document;
  }

  pick(count: number): number {
    return Math.floor(this.random() * count);
  }
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const orderOf = (document: LabelDocument): number[][] =>
  [0, 1, 2].flatMap((frame) =>
    [0, 1].map((sensor) => (document.masksAt(frame)?.get(sensor) ?? []).map((one) => one.track)),
  );

test("news late, twice, in any order, with bytes of any age, ends where a fresh load does", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomFrom(seed);
    const server = new Server(random);
    for (let count = 0; count < 5; count++) server.edit();
    const document = documentAt(
      5,
      ...[...server.states[5]!.tracks].map(([number, order]) => track(number, order)),
    );
    const onTheWay: LabelsChanged[] = [];
    for (let step = 0; step < 60; step++) {
      const choice = random();
      if (choice < 0.4) {
        server.edit();
        const one = server.news(server.revision - 1);
        if (random() < 0.8) onTheWay.push(one);
        if (random() < 0.2) onTheWay.push(one);
      } else if (choice < 0.75 && onTheWay.length) {
        const [one] = onTheWay.splice(server.pick(onTheWay.length), 1);
        if (document.apply(one!) === "gap") onTheWay.push(server.news(document.revision));
      } else if (choice < 0.9) {
        // Read by the server at some time since our snapshot, even before what we know.
        const revision = 4 + server.pick(server.revision - 3);
        const frame = server.pick(3);
        document.loadFrame(frame, revision, server.blob(frame, revision));
      }
    }
    document.apply(server.news(document.revision)); // the heartbeat's catch-up
    for (const frame of [0, 1, 2]) {
      if (!document.masksAt(frame)) {
        document.loadFrame(frame, server.revision, server.blob(frame, server.revision));
      }
    }
    const fresh = server.freshLoad();

    expect(document.revision, `seed ${seed}`).toBe(fresh.revision);
    expect(new Map([...document.tracks].sort()), `seed ${seed}`).toEqual(
      new Map([...fresh.tracks].sort()),
    );
    expect(masksOf(document, 3), `seed ${seed}`).toEqual(masksOf(fresh, 3));
    expect(orderOf(document), `seed ${seed}`).toEqual(orderOf(fresh));
  }
});
