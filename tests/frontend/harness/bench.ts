/** Measurements in a real browser, called by tests/bench. Milliseconds, one number a repetition. */
import { BulkSocket } from "@/assets/BulkSocket";
import { DecoderPool } from "@/assets/DecoderPool";
import type { DecodedSweep } from "@/assets/SweepDecoder";
import { NO_TRACK, paintMasks } from "@/geometry/masks";
import { encodeVarints } from "@/protocol/binary";
import { CloudRenderer } from "@/viewport/CloudRenderer";
import { LUT_WIDTH } from "@/viewport/LutTexels";
import { OrbitCamera } from "@/viewport/OrbitCamera";
import { Picker } from "@/viewport/Picker";
import { PointCloudLayer } from "@/viewport/PointCloudLayer";

const WARM_UP = 3;
const IN_FLIGHT = 6;
const OFTEN = 20; // the clock has steps of 0.1 ms

/** Runs the tasks in turn, so that a slow moment of the machine meets all of them. */
async function inTurn(
  tasks: Record<string, () => Promise<void> | void>,
  repetitions: number,
): Promise<Record<string, number[]>> {
  const times = Object.fromEntries(Object.keys(tasks).map((name) => [name, [] as number[]]));
  for (let repetition = -WARM_UP; repetition < repetitions; repetition++) {
    for (const [name, task] of Object.entries(tasks)) {
      const start = performance.now();
      await task();
      if (repetition >= 0) times[name]!.push(performance.now() - start);
    }
  }
  return times;
}

/** Divide times of tasks that did the same thing `count` times. */
function perOne(times: Record<string, number[]>, count: number): void {
  for (const values of Object.values(times)) {
    values.forEach((value, index) => {
      values[index] = value / count;
    });
  }
}

/**
 * From asking for a sweep to its points in a GPU buffer: our codec against raw float32.
 *
 * bytesPerSecond: of the link; 0 is as fast as the machine.
 */
async function requestToGpu(
  repetitions: number,
  bytesPerSecond = 0,
): Promise<Record<string, number[]>> {
  const waiting = new Map<number, (bytes: Uint8Array) => void>();
  let isOpen: () => void;
  const opened = new Promise<void>((resolve) => {
    isOpen = resolve;
  });
  const socket = new BulkSocket(`${location.origin.replace("http", "ws")}/bulk?${bytesPerSecond}`, {
    onOpen: () => isOpen(),
    onObject: (request, bytes) => waiting.get(request)?.(bytes),
    onUnavailable: () => undefined,
    onBytes: () => undefined,
    onLost: () => undefined,
  });
  const decoders = new DecoderPool(1);
  const gl = document.createElement("canvas").getContext("webgl2")!;
  const buffer = gl.createBuffer();
  const pixel = new Uint8Array(4);
  let next = 1;
  const fetched = (kind: string): Promise<Uint8Array> =>
    new Promise((resolve) => {
      const request = next++;
      waiting.set(request, resolve);
      socket.want([{ request, frame: 0, kind: kind as "sweep", sensor: 0 }]);
    });
  const upload = (bytes: AllowSharedBufferSource): void => {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.DYNAMIC_DRAW);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel); // until the GPU is done
  };
  await opened;
  const times = await inTurn(
    {
      d1: async () => upload((await decoders.decode("sweep", await fetched("sweep"))).points),
      p8: async () => upload((await fetched("p8")).subarray(40)),
      float32: async () => upload(await fetched("float32")),
    },
    repetitions,
  );
  // As when playing: several sweeps asked for at once, decoded while the next one arrives.
  const several = async (one: () => Promise<void>): Promise<void> => {
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  };
  const playing = await inTurn(
    {
      d1_playing: () =>
        several(async () =>
          upload((await decoders.decode("sweep", await fetched("sweep"))).points),
        ),
      float32_playing: () => several(async () => upload(await fetched("float32"))),
    },
    repetitions,
  );
  perOne(playing, IN_FLIGHT);
  const packed = await fetched("sweep");
  const decoding = await inTurn(
    { decode: async () => void (await decoders.decode("sweep", packed)) },
    repetitions,
  );
  socket.close();
  decoders.close();
  return { ...times, ...playing, ...decoding };
}

/** A made-up sweep: points on rings, like a scan, as many as are wanted. */
function rings(count: number): DecodedSweep {
  const points = new Uint16Array(count * 4);
  for (let index = 0; index < count; index++) {
    const angle = index * 0.0024;
    const radius = (index * 7919) % 16000;
    points[index * 4] = 16000 + radius * Math.cos(angle);
    points[index * 4 + 1] = 16000 + radius * Math.sin(angle);
    points[index * 4 + 2] = (index * 31) % 600;
    points[index * 4 + 3] = index & 255;
  }
  return {
    pointCount: count,
    points,
    lowCorner: [-80, -80, 0],
    stepM: 0.005,
    intensityTop: 1,
    hasElongation: false,
  };
}

/** Hover pick, recolouring one object and a whole drawing, with `count` points on the screen. */
async function render(count: number, repetitions: number): Promise<Record<string, number[]>> {
  const container = document.getElementById("cloud")!;
  const cloud = new CloudRenderer(container);
  const lut = new Uint8Array(LUT_WIDTH * LUT_WIDTH * 4).fill(200);
  const layer = new PointCloudLayer(lut);
  cloud.addPoints(layer.object);
  cloud.setSize(1280, 800);
  const tracks = new Uint16Array(count).map((_, index) => (index >> 6) % 200);
  layer.setSweep(0, rings(count), { tracks, version: 1, before: -1, changed: null });
  layer.setLook({
    sizePx: 2,
    nearness: 25,
    colourBy: "object",
    labelShare: 1,
    hoveredTrack: null,
    selectedTrack: null,
  });
  const picker = new Picker(cloud.renderer, cloud.target);
  const orbit = new OrbitCamera();
  const gl = cloud.renderer.getContext();
  const pixel = new Uint8Array(4);
  const finish = (): void => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  const draw = (): void => {
    cloud.drawPoints(orbit);
    cloud.drawCanvas();
    finish();
  };
  draw();
  let hits = 0;
  const often = (task: () => void) => (): void => {
    for (let time = 0; time < OFTEN; time++) task();
  };
  const quick = await inTurn(
    {
      pick: often(() => void (picker.pick(640, 400) && hits++)),
      recolour: often(() => {
        lut[7 * 4] = (lut[7 * 4]! + 1) & 255;
        layer.updateLut(cloud.renderer, [[7, 8]]);
        finish();
      }),
    },
    repetitions,
  );
  perOne(quick, OFTEN);
  const slow = await inTurn({ draw }, Math.min(5, repetitions));
  layer.dispose();
  cloud.dispose();
  if (hits === 0) throw new Error("the pick has hit nothing: this would measure an empty screen");
  return { ...quick, ...slow };
}

/** Thirty masks of a 1920 x 1280 picture into one label map. */
async function masks(repetitions: number): Promise<Record<string, number[]>> {
  const [width, height] = [1920, 1280];
  const painted = Array.from({ length: 30 }, (_, track) => {
    const side = 60 + track * 12;
    const [u, v] = [(track * 331) % (width - side), (track * 97) % (height - side)];
    const lengths = [v * width + u];
    for (let row = 0; row < side; row++) lengths.push(side, width - side);
    return { track, runs: encodeVarints(lengths.slice(0, -1)) };
  });
  const map = new Uint16Array(width * height);
  const times = await inTurn({ paint: () => paintMasks(map, painted) }, repetitions);
  if (map.every((track) => track === NO_TRACK)) throw new Error("no mask was painted");
  return times;
}

Object.assign(window, { bench: { requestToGpu, render, masks } });
