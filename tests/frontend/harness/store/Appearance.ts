import { Emitter } from "@/store/Emitter";
import type { LabelDocument } from "@/store/LabelDocument";
import type { Selection } from "@/store/Selection";
export class Appearance {
  readonly changed = new Emitter<Set<string>>();
  colourBy: "height" | "intensity" | "object" = "height";
  pointSize = 2.5;
  maskOpacity = 0.45;
  showPointsOnImages = false;
  hidden = new Set<number>();
  lut(document: LabelDocument, _selection: Selection): Uint8Array {
    const numbers = [...document.tracks.keys()];
    const rgba = new Uint8Array((Math.max(0, ...numbers) + 1) * 4);
    for (const number of numbers) {
      const hue = (number * 137.5) % 360;
      const channel = (n: number): number => {
        const k = (n + hue / 30) % 12;
        return 255 * (0.58 - 0.38 * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
      };
      const alpha = this.hidden.has(number) ? 0 : 255;
      rgba.set([channel(0), channel(8), channel(4), alpha], number * 4);
    }
    return rgba;
  }
}
