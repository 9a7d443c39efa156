/** Decodes sweeps, labels and pictures off the main thread. One question, one answer, by number. */
import { areaOfRuns } from "@/geometry/masks";
import { readLabels } from "@/protocol/binary";
import type { DecodeAnswer, DecodedLabels, DecodeQuestion } from "./DecoderPool";
import { decodeImage, isPlanes } from "./imageDecoding";
import { SweepDecoder } from "./SweepDecoder";
import unfilterUrl from "./wasm/unfilter.wasm?url";
import zstdUrl from "./wasm/zstd.wasm?url";

const bytesAt = async (url: string): Promise<ArrayBuffer> => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return response.arrayBuffer();
};

const loading = Promise.all([bytesAt(zstdUrl), bytesAt(unfilterUrl)]).then(([zstd, unfilter]) =>
  SweepDecoder.load(zstd, unfilter),
);

async function decode(question: DecodeQuestion): Promise<[DecodeAnswer["value"], Transferable[]]> {
  const { kind, bytes } = question;
  if (kind === "image" || kind === "proxy") {
    const image = await decodeImage(bytes, kind === "proxy");
    return [image, [isPlanes(image.pixels) ? image.pixels.luma.buffer : image.pixels]];
  }
  const decoder = await loading;
  if (kind === "labels") return [labels(decoder.inflate(bytes)), []];
  const sweep = decoder.decodeSweep(bytes);
  return [sweep, [sweep.points.buffer]];
}

function labels(inflated: Uint8Array): DecodedLabels {
  const { revision, masks } = readLabels(inflated);
  return { revision, masks: masks.map((mask) => ({ ...mask, area: areaOfRuns(mask.runs) })) };
}

self.onmessage = async ({ data }: MessageEvent<DecodeQuestion>) => {
  try {
    const [value, transfer] = await decode(data);
    const { number, bytes } = data;
    transfer.push(bytes.buffer);
    postMessage({ number, value, bytes } satisfies DecodeAnswer, { transfer });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    postMessage({ number: data.number, error: reason } satisfies DecodeAnswer);
  }
};
