// What our server says (tests/protocol/test_replays.py) leads this document to the server's state.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { areaOfRuns } from "@/geometry/masks";
import { bytesFromBase64 } from "@/protocol/binary";
import type { Cuboid, LabelClass, LabelsChanged, Mask, Snapshot, Track } from "@/protocol/messages";
import { LabelDocument } from "@/store/LabelDocument";

interface State {
  revision: number;
  label_classes: LabelClass[];
  tracks: Track[];
  cuboids: Cuboid[];
  masks: Mask[];
}

interface Replay {
  before: State;
  news: LabelsChanged[];
  missed: LabelsChanged[]; // by the revision that is known
  after: State;
}

const FOLDER = join(__dirname, "../../protocol/replays");
const FRAMES = [0, 1, 2, 3];
const names = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

const read = (name: string): Replay => JSON.parse(readFileSync(join(FOLDER, name), "utf8"));

function documentOf(state: State, frames = FRAMES): LabelDocument {
  const document = new LabelDocument();
  document.replaceWith(state as unknown as Snapshot);
  for (const frame of frames) load(document, state, frame);
  return document;
}

function load(document: LabelDocument, state: State, frame: number): void {
  const masks = state.masks.filter((mask) => mask.frame === frame);
  document.loadFrame(
    frame,
    state.revision,
    masks.map((mask) => ({ ...mask, runs: bytesFromBase64(mask.runs) })),
  );
}

function stateOf(document: LabelDocument): Omit<State, "label_classes"> {
  const masks = FRAMES.flatMap((frame) =>
    [...(document.masksAt(frame)?.values() ?? [])].flat().map((entry): Mask => {
      return { ...entry, runs: Buffer.from(entry.runs).toString("base64") };
    }),
  );
  const { revision, tracks, cuboids } = document;
  return {
    revision,
    tracks: [...tracks.values()].sort((a, b) => a.number - b.number),
    cuboids: sorted([...cuboids.values()]),
    masks: sorted(masks),
  };
}

const sorted = <T extends { frame: number; track: number; sensor?: number }>(rows: T[]): T[] =>
  [...rows].sort(
    (a, b) => a.frame - b.frame || (a.sensor ?? 0) - (b.sensor ?? 0) || a.track - b.track,
  );

const wanted = ({ label_classes: _, ...after }: State): Omit<State, "label_classes"> => ({
  ...after,
  cuboids: sorted(after.cuboids),
});

test("there are replays", () => {
  expect(names.length).toBeGreaterThan(3);
});

describe.each(names)("%s", (name) => {
  const { before, news, missed, after } = read(name);

  test("news by news", () => {
    const document = documentOf(before);

    for (const one of news) expect(document.apply(one)).toBe("applied");

    expect(stateOf(document)).toEqual(wanted(after));
  });

  test("every news twice", () => {
    const document = documentOf(before);

    for (const one of news) {
      document.apply(one);
      expect(document.apply(one)).toBe("old");
    }

    expect(stateOf(document)).toEqual(wanted(after));
  });

  test("news up to any revision, then all that was missed at once", () => {
    for (let known = before.revision; known < after.revision; known++) {
      const document = documentOf(before);
      for (const one of news) if (one.revision <= known) document.apply(one);

      expect(document.apply(missed[known]!)).toBe("applied");

      expect(stateOf(document), `from revision ${known}`).toEqual(wanted(after));
    }
  });

  test("frames that are loaded late, with the bytes of the beginning", () => {
    const document = documentOf(before, []);
    for (const one of news) document.apply(one);

    for (const frame of FRAMES) load(document, before, frame);

    expect(stateOf(document)).toEqual(wanted(after));
  });

  test("frames whose bytes are newer than the news", () => {
    const document = documentOf(before, []);
    for (const frame of FRAMES) load(document, after, frame);

    for (const one of news) document.apply(one);

    expect(stateOf(document)).toEqual(wanted(after));
  });

  test("the top mask is the one of the highest draw order", () => {
    const document = documentOf(after);
    for (const masks of FRAMES.flatMap((frame) => [...document.masksAt(frame)!.values()])) {
      const orders = masks.map(({ track }) => document.tracks.get(track)!.draw_order);
      expect(orders).toEqual([...orders].sort((a, b) => a - b));
    }
  });

  test("areas are those of the runs", () => {
    for (const mask of after.masks) {
      expect(areaOfRuns(bytesFromBase64(mask.runs))).toBe(mask.area);
    }
  });
});
