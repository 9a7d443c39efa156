import { Emitter } from "@/store/Emitter";
export class Selection {
  readonly changed = new Emitter<unknown>();
  track: number | null = null;
  labelClass: number | null = null;
  hoveredTrack: number | null = null;
  tool = "";
}
