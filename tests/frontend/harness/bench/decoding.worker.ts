/** Times the product's sweep decoder where it lives: in a worker. */
import { SweepDecoder } from "@/assets/SweepDecoder";
import unfilterUrl from "@/assets/wasm/unfilter.wasm?url";
import zstdUrl from "@/assets/wasm/zstd.wasm?url";
import { inTurn } from "./timing";

const bytesAt = async (url: string): Promise<ArrayBuffer> => (await fetch(url)).arrayBuffer();

self.onmessage = async ({ data }: MessageEvent<{ sweep: Uint8Array; repetitions: number }>) => {
  const decoder = await SweepDecoder.load(await bytesAt(zstdUrl), await bytesAt(unfilterUrl));
  const times = await inTurn(
    { decode: () => void decoder.decodeSweep(data.sweep) },
    data.repetitions,
  );
  postMessage(times);
};
