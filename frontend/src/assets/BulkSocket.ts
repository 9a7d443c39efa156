import { BadBytes, type Chunk, readChunk } from "@/protocol/binary";
import type { BulkClientMessage, BulkRequest, BulkUnavailable } from "@/protocol/messages";

/** Bytes that may be on their way to us: three to four frames of a five-camera drive. */
export const CREDIT_BYTES = 4 << 20;
/** Credit is given back in parts, not after every message. */
const CREDIT_STEP_BYTES = 512 << 10;
const LARGEST_OBJECT_BYTES = 512 << 20;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
const REFUSED_CODES = 4400; // application close codes: asking again would be refused again

export interface BulkListener {
  onOpen(): void; // the server knows of no requests
  onObject(request: number, bytes: Uint8Array): void;
  onUnavailable(request: number, reason: string): void;
  onBytes(count: number): void;
  onLost(reason: string, willRetry: boolean): void;
}

interface Assembly {
  bytes: Uint8Array;
  received: number;
}

/**
 * The bulk socket: puts chunks together, gives credit as they arrive, comes back when it is lost.
 *
 * Life: connecting -> open -> (lost -> waiting -> connecting ...) -> closed.
 */
export class BulkSocket {
  private socket: WebSocket | null = null;
  private readonly assemblies = new Map<number, Assembly>();
  private owedCredit = 0;
  private retryMs = FIRST_RETRY_MS;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;

  constructor(
    private readonly url: string,
    private readonly listener: BulkListener,
    private readonly connect: (url: string) => WebSocket = (address) => new WebSocket(address),
  ) {
    this.open();
  }

  get isOpen(): boolean {
    return this.socket?.readyState === 1;
  }

  want(requests: BulkRequest[]): void {
    if (requests.length) this.send({ type: "want", requests });
  }

  drop(requests: number[]): void {
    for (const request of requests) this.assemblies.delete(request);
    if (requests.length) this.send({ type: "drop", requests });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.retryTimer);
    this.socket?.close();
  }

  private open(): void {
    const socket = this.connect(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      this.assemblies.clear();
      this.owedCredit = 0;
      this.send({ type: "credit", bytes: CREDIT_BYTES });
      this.listener.onOpen();
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => this.receive(data);
    socket.onclose = (event) => this.lost(event);
  }

  private send(message: BulkClientMessage): void {
    if (this.isOpen) this.socket!.send(JSON.stringify(message));
  }

  private receive(data: ArrayBuffer | string): void {
    if (typeof data === "string") {
      const { request, reason } = JSON.parse(data) as BulkUnavailable;
      this.assemblies.delete(request);
      this.listener.onUnavailable(request, reason);
      return;
    }
    this.listener.onBytes(data.byteLength);
    this.repay(data.byteLength);
    try {
      this.assemble(readChunk(data));
    } catch (error) {
      if (!(error instanceof BadBytes)) throw error;
      this.socket?.close(4000, error.message.slice(0, 120)); // start over with a clean stream
    }
  }

  private repay(bytes: number): void {
    this.owedCredit += bytes;
    if (this.owedCredit < CREDIT_STEP_BYTES) return;
    this.send({ type: "credit", bytes: this.owedCredit });
    this.owedCredit = 0;
  }

  private assemble(chunk: Chunk): void {
    const { request, offset, objectSize, bytes } = chunk;
    let assembly = this.assemblies.get(request);
    if (!assembly) {
      if (offset !== 0) return; // the rest of a dropped object
      if (objectSize > LARGEST_OBJECT_BYTES) throw new BadBytes(`an object of ${objectSize} bytes`);
      assembly = { bytes: new Uint8Array(objectSize), received: 0 };
      this.assemblies.set(request, assembly);
    }
    if (offset !== assembly.received || objectSize !== assembly.bytes.length) {
      throw new BadBytes(`a chunk at ${offset} follows ${assembly.received} received bytes`);
    }
    assembly.bytes.set(bytes, offset);
    assembly.received += bytes.length;
    if (!chunk.isLast) return;
    this.assemblies.delete(request);
    if (assembly.received !== objectSize) throw new BadBytes("an object ended early");
    this.listener.onObject(request, assembly.bytes);
  }

  private lost({ code, reason }: CloseEvent): void {
    if (this.isClosed) return;
    const willRetry = code < REFUSED_CODES;
    this.listener.onLost(reason || "connection lost", willRetry);
    if (!willRetry) return;
    this.retryTimer = setTimeout(() => this.open(), this.retryMs * (0.75 + Math.random() / 2));
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }
}
