import {
  BadBytes,
  CODEC_D1,
  CODEC_P8,
  POINT_BYTES,
  readSweepHeader,
  type SweepHeader,
} from "@/protocol/binary";
import { unfilterPlain } from "./unfilter";

/** A sweep in the layout that goes to the GPU as it is. */
export interface DecodedSweep {
  pointCount: number;
  points: Uint16Array; // [4 x pointCount]: x, y, z in steps, intensity + 256 * elongation
  lowCorner: [number, number, number]; // metres in ego
  stepM: number;
  intensityTop: number;
  hasElongation: boolean;
}

interface Zstd {
  memory: WebAssembly.Memory;
  malloc(size: number): number;
  free(address: number): void;
  ZSTD_decompress(target: number, room: number, source: number, size: number): number;
  ZSTD_findDecompressedSize(source: number, size: number): bigint | number;
  ZSTD_isError(code: number): number;
}

type Unfilter = (source: number, target: number, count: number) => void;

const MOST_INFLATED_BYTES = 1 << 30;

/**
 * Turns the bytes of a sweep into points, and inflates labels. Lives in a worker.
 *
 * zstd and the SIMD un-filter share one memory, so a sweep is copied twice in all: in and out.
 */
export class SweepDecoder {
  private constructor(
    private readonly zstd: Zstd,
    private readonly unfilter: Unfilter | null,
  ) {}

  /** unfilterWasm: null, or a module that this browser cannot run, selects the plain un-filter. */
  static async load(
    zstdWasm: BufferSource,
    unfilterWasm: BufferSource | null,
  ): Promise<SweepDecoder> {
    const env = { emscripten_notify_memory_growth: () => undefined };
    const zstd = (await WebAssembly.instantiate(zstdWasm, { env })).instance
      .exports as unknown as Zstd;
    if (!unfilterWasm || !WebAssembly.validate(unfilterWasm)) return new SweepDecoder(zstd, null);
    const module = await WebAssembly.instantiate(unfilterWasm, { env: { memory: zstd.memory } });
    return new SweepDecoder(zstd, module.instance.exports.unfilter as Unfilter);
  }

  /** Throws BadBytes when they do not follow the layout. */
  decodeSweep(bytes: Uint8Array): DecodedSweep {
    const header = readSweepHeader(bytes);
    return {
      pointCount: header.pointCount,
      points: this.points(header),
      lowCorner: header.lowCorner,
      stepM: header.stepM,
      intensityTop: header.intensityTop,
      hasElongation: header.hasElongation,
    };
  }

  /** What zstd packed, in memory of its own. Throws BadBytes. */
  inflate(packed: Uint8Array): Uint8Array {
    return this.withInflated(packed, (address, size) => this.copyOut(address, size));
  }

  private points({ codec, pointCount, inflatedSize, payload }: SweepHeader): Uint16Array {
    const size = pointCount * POINT_BYTES;
    if (inflatedSize !== size) {
      throw new BadBytes(`a sweep of ${pointCount} points inflates to ${inflatedSize} bytes`);
    }
    if (codec === CODEC_P8) {
      if (payload.length !== size) throw new BadBytes("a P8 sweep is cut short");
      return new Uint16Array(payload.slice().buffer);
    }
    if (codec !== CODEC_D1) throw new BadBytes(`a sweep has codec ${codec}, unknown to this page`);
    return this.withInflated(payload, (address, inflated) => {
      if (inflated !== size)
        throw new BadBytes(`a sweep inflated to ${inflated} bytes, not ${size}`);
      return this.unfiltered(address, pointCount);
    });
  }

  private unfiltered(address: number, count: number): Uint16Array {
    const size = count * POINT_BYTES;
    if (!this.unfilter) {
      return unfilterPlain(new Uint8Array(this.zstd.memory.buffer, address, size), count);
    }
    const target = this.allocate(size);
    try {
      this.unfilter(address, target, count);
      return new Uint16Array(this.copyOut(target, size).buffer);
    } finally {
      this.zstd.free(target);
    }
  }

  private withInflated<T>(packed: Uint8Array, use: (address: number, size: number) => T): T {
    const source = this.allocate(packed.length);
    let target = 0;
    try {
      new Uint8Array(this.zstd.memory.buffer).set(packed, source);
      const room = Number(this.zstd.ZSTD_findDecompressedSize(source, packed.length));
      // zstd answers -1 or -2, unsigned or not, when the size is missing or the data is not zstd.
      if (!(room >= 0 && room <= MOST_INFLATED_BYTES))
        throw new BadBytes("its bytes are damaged (no whole zstd frame)");
      target = this.allocate(room);
      const size = this.zstd.ZSTD_decompress(target, room, source, packed.length);
      if (this.zstd.ZSTD_isError(size)) throw new BadBytes("its bytes are damaged");
      return use(target, size);
    } finally {
      this.zstd.free(source);
      if (target) this.zstd.free(target);
    }
  }

  private allocate(size: number): number {
    const address = this.zstd.malloc(Math.max(size, 1));
    if (!address) throw new Error(`no memory for ${size} bytes in the decoder`);
    return address;
  }

  private copyOut(address: number, size: number): Uint8Array {
    return new Uint8Array(this.zstd.memory.buffer).slice(address, address + size);
  }
}
