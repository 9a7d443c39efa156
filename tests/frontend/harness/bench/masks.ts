import { NO_TRACK, type Painted, paintMasks } from "@/geometry/masks";
import { encodeVarints } from "@/protocol/binary";
import { Emitter } from "@/store/Emitter";
import { LabelMaps } from "@/viewport/LabelMaps";
import { LabelTexture } from "@/viewport/PictureTextures";
import { finish, inTurn, OFTEN, often, perOne, type Times } from "./timing";

const [WIDTH, HEIGHT] = [1920, 1280];
const SENSOR = 0;

/** A mask with jagged edges, as a model draws it: half axes in pixels. */
function jagged(track: number, u: number, v: number, across: number, down: number): Painted {
  const lengths: number[] = [];
  let at = 0;
  for (let row = -down; row <= down; row++) {
    const half =
      across * Math.sqrt(1 - (row / down) ** 2) + ((Math.abs(row) * 7919 + track * 31) % 5) + 1;
    const start = (v + row) * WIDTH + Math.round(u - half);
    const length = Math.round(2 * half);
    lengths.push(start - at, length);
    at = start + length;
  }
  return { track, runs: encodeVarints(lengths) };
}

/** Thirty objects of one picture: two large ones, eight of middle size, twenty small ones. */
function thirty(): Painted[] {
  const masks = [jagged(0, 600, 700, 440, 335), jagged(1, 1500, 800, 240, 185)];
  for (let track = 2; track < 10; track++) {
    masks.push(jagged(track, 200 + track * 170, 300 + track * 60, 100 + track * 4, 80));
  }
  for (let track = 10; track < 30; track++) {
    masks.push(jagged(track, 60 + track * 60, 250 + ((track * 97) % 900), 20, 12 + track));
  }
  return masks;
}

/**
 * Masks of a picture to a label map, and one changed object onto the GPU. `fill` is the limit of
 * the first: a map that is only written.
 */
export async function masks(repetitions: number): Promise<Times> {
  const painted = thirty();
  const map = new Uint16Array(WIDTH * HEIGHT);
  const gl = document.createElement("canvas").getContext("webgl2")!;
  const texture = new LabelTexture(gl, WIDTH, HEIGHT);
  const changed = new Emitter<{ tracks: Set<number>; readings: Set<string> }>();
  const document_ = { masksAt: () => new Map([[SENSOR, painted]]), changed };
  const maps = new LabelMaps(document_ as never);
  texture.set(maps.map(0, SENSOR, map.length));
  let step = 0;
  const editOne = (): void => {
    painted[29] = jagged(29, 900, 600, 140 + (step++ % 8), 100);
    changed.emit({ tracks: new Set(), readings: new Set([`0:${SENSOR}`]) });
  };
  const times = await inTurn(
    {
      paint: often(() => paintMasks(map, painted)),
      fill: often(() => void map.fill(NO_TRACK)),
    },
    repetitions,
  );
  if (map.every((track) => track === NO_TRACK)) paintMasks(map, painted);
  if (map.every((track) => track === NO_TRACK)) throw new Error("no mask was painted");
  const waits = { map: [] as number[], region: [] as number[] };
  await inTurn(
    {
      update: () => {
        editOne();
        const start = performance.now();
        const next = maps.map(0, SENSOR, map.length);
        const mapped = performance.now();
        texture.set(next);
        finish(gl);
        waits.map.push(mapped - start);
        waits.region.push(performance.now() - mapped);
      },
    },
    repetitions * 3,
  );
  return { ...perOne(times, OFTEN), ...waits };
}
