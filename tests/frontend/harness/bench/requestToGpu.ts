import { BulkSocket } from "@/assets/BulkSocket";
import { DecoderPool } from "@/assets/DecoderPool";
import { finish, inTurn, perOne, type Times } from "./timing";

const IN_FLIGHT = 6;

/** Our own road: the bulk socket, in chunks. */
async function ourSocket(query: string): Promise<() => Promise<Uint8Array>> {
  const waiting = new Map<number, (bytes: Uint8Array) => void>();
  let opened: () => void;
  const open = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const socket = new BulkSocket(`${location.origin.replace("http", "ws")}/bulk${query}`, {
    onOpen: () => opened(),
    onObject: (request, bytes) => waiting.get(request)?.(bytes),
    onUnavailable: () => undefined,
    onBytes: () => undefined,
    onLost: () => undefined,
  });
  await open;
  let request = 0;
  return () =>
    new Promise((resolve) => {
      waiting.set(++request, resolve);
      socket.want([{ request, frame: 0, kind: "sweep", sensor: 0 }]);
    });
}

/** What a usual viewer does: asks for a sweep, gets all of it in one message. */
async function usualSocket(query: string): Promise<() => Promise<Uint8Array>> {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/usual${query}`);
  socket.binaryType = "arraybuffer";
  const waiting: ((bytes: Uint8Array) => void)[] = [];
  socket.onmessage = ({ data }) => waiting.shift()!(new Uint8Array(data));
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      socket.send("float32");
    });
}

/**
 * From asking for a sweep to its points in a GPU buffer: our road, and float32 as a usual viewer
 * has it. `received` is what no decoder can beat: our bytes fetched and uploaded still coded.
 *
 * bytesPerSecond: of the link; 0 is as fast as the machine.
 */
export async function requestToGpu(repetitions: number, bytesPerSecond: number): Promise<Times> {
  const ours = await ourSocket(`?${bytesPerSecond}`);
  const usual = await usualSocket(`?${bytesPerSecond}`);
  const decoders = new DecoderPool(1);
  const gl = document.createElement("canvas").getContext("webgl2")!;
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  const upload = (bytes: ArrayBufferView): void => {
    gl.bufferData(gl.ARRAY_BUFFER, bytes as AllowSharedBufferSource, gl.DYNAMIC_DRAW);
    finish(gl);
  };
  const ways = {
    d1: async () => upload((await decoders.decode("sweep", await ours())).value.points),
    float32: async () => upload(await usual()),
    received: async () => upload(await ours()),
  };
  const single = await inTurn(ways, repetitions);
  // As when playing: several sweeps asked for at once, decoded while the next one arrives.
  const several = (way: () => Promise<void>) => () =>
    Promise.all(Array.from({ length: IN_FLIGHT }, way));
  const playing = await inTurn(
    {
      d1_playing: several(ways.d1),
      float32_playing: several(ways.float32),
      received_playing: several(ways.received),
    },
    repetitions,
  );
  decoders.close();
  return { ...single, ...perOne(playing, IN_FLIGHT) };
}
