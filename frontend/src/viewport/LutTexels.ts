import type { Appearance } from "@/store/Appearance";
import { Emitter } from "@/store/Emitter";
import type { LabelDocument } from "@/store/LabelDocument";
import type { Selection } from "@/store/Selection";

export const LUT_WIDTH = 256;
const TEXELS = LUT_WIDTH * LUT_WIDTH;

/** [first, end) runs of texels that differ. before, after: RGBA bytes of one length. */
export function changedTexels(before: Uint8Array, after: Uint8Array): [number, number][] {
  const old = new Uint32Array(before.buffer, before.byteOffset, before.length >> 2);
  const now = new Uint32Array(after.buffer, after.byteOffset, after.length >> 2);
  const runs: [number, number][] = [];
  for (let texel = 0; texel < now.length; texel++) {
    if (old[texel] === now[texel]) continue;
    const last = runs.at(-1);
    if (last && last[1] === texel) last[1] = texel + 1;
    else runs.push([texel, texel + 1]);
  }
  return runs;
}

export interface TexelRows {
  column: number;
  row: number;
  width: number;
  height: number;
}

/** A run of texels as rectangles whose texels follow each other: part, whole rows, part. */
export function rowsOfRun([first, end]: [number, number]): TexelRows[] {
  const rows: TexelRows[] = [];
  for (let texel = first; texel < end; ) {
    const column = texel % LUT_WIDTH;
    const isWhole = column === 0 && end - texel >= LUT_WIDTH;
    const width = isWhole ? LUT_WIDTH : Math.min(end - texel, LUT_WIDTH - column);
    const height = isWhole ? Math.floor((end - texel) / LUT_WIDTH) : 1;
    rows.push({ column, row: Math.floor(texel / LUT_WIDTH), width, height });
    texel += width * height;
  }
  return rows;
}

/**
 * The colour of every track, [256 x 256] RGBA: the one texture by which cloud and pictures colour,
 * hide and highlight. Alpha 0 is hidden. A change touches the changed texels only.
 */
export class LutTexels {
  readonly rgba = new Uint8Array(TEXELS * 4);
  /** Runs of texels that have new colours. */
  readonly changed = new Emitter<[number, number][]>();

  constructor(
    private readonly document: LabelDocument,
    private readonly selection: Selection,
    private readonly appearance: Appearance,
  ) {
    this.refresh();
    document.changed.on(({ tracks }) => {
      if (tracks === "all" || tracks.size > 0) this.refresh();
    });
    selection.changed.on(() => this.refresh());
    appearance.changed.on(() => this.refresh());
  }

  private refresh(): void {
    const now = new Uint8Array(this.rgba.length);
    now.set(this.appearance.lut(this.document, this.selection).subarray(0, now.length));
    const runs = changedTexels(this.rgba, now);
    if (!runs.length) return;
    this.rgba.set(now);
    this.changed.emit(runs);
  }
}
