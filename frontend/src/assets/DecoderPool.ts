import type { FrameMask } from "@/protocol/binary";
import type { BulkRequest } from "@/protocol/messages";
import type { DecodedImage } from "./imageDecoding";
import type { DecodedSweep } from "./SweepDecoder";

export interface DecodedLabels {
  revision: number;
  masks: (FrameMask & { area: number })[];
}

export interface DecodeQuestion {
  number: number;
  kind: BulkRequest["kind"];
  bytes: Uint8Array;
}

export interface DecodeAnswer {
  number: number;
  bytes?: Uint8Array; // the question's, given back
  value?: DecodedSweep | DecodedImage | DecodedLabels;
  error?: string;
}

type Decoded<K> = K extends "sweep"
  ? DecodedSweep
  : K extends "labels"
    ? DecodedLabels
    : DecodedImage;

/** What was asked for, and the bytes it was made from: they have been away. */
export interface Answered<T> {
  value: T;
  bytes: Uint8Array;
}

interface Waiting {
  worker: number;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A few workers that decode; each question goes to the one with the least to do. */
export class DecoderPool {
  private readonly workers: Worker[] = [];
  private readonly load: number[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;

  constructor(size = Math.min(3, Math.max(1, (navigator.hardwareConcurrency || 2) - 1))) {
    for (let index = 0; index < size; index++) {
      const worker = new Worker(new URL("./decoder.worker.ts", import.meta.url), {
        type: "module",
      });
      worker.onmessage = ({ data }: MessageEvent<DecodeAnswer>) => this.settle(data);
      worker.onerror = (event) => this.fail(index, event.message || "the decoder did not start");
      this.workers.push(worker);
      this.load.push(0);
    }
  }

  get size(): number {
    return this.workers.length;
  }

  /**
   * Lends the bytes, which must be all of their buffer, to a worker: copying a sweep takes as long
   * as a fifth of decoding it. Rejects with what was wrong with them; then they are lost.
   */
  decode<K extends BulkRequest["kind"]>(kind: K, bytes: Uint8Array): Promise<Answered<Decoded<K>>> {
    const number = this.next++;
    const index = this.load.indexOf(Math.min(...this.load));
    this.load[index]! += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { worker: index, resolve: resolve as Waiting["resolve"], reject });
      const question: DecodeQuestion = { number, kind, bytes };
      this.workers[index]!.postMessage(question, [bytes.buffer]);
    });
  }

  close(): void {
    for (const worker of this.workers) worker.terminate();
    this.waiting.clear();
  }

  private settle(answer: DecodeAnswer): void {
    const waiting = this.waiting.get(answer.number);
    if (!waiting) return;
    this.waiting.delete(answer.number);
    this.load[waiting.worker]! -= 1;
    const { value, bytes, error } = answer;
    if (error === undefined) waiting.resolve({ value, bytes });
    else waiting.reject(new Error(error));
  }

  private fail(index: number, reason: string): void {
    for (const [number, waiting] of this.waiting) {
      if (waiting.worker === index) this.settle({ number, error: reason });
    }
  }
}
