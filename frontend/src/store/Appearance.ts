import { colourOfTrack } from "./colours";
import { Emitter } from "./Emitter";
import type { LabelDocument } from "./LabelDocument";
import type { Selection } from "./Selection";

export type ColourBy = "height" | "intensity" | "object";

/** How things look on this screen. Not shared. */
export class Appearance {
  readonly changed = new Emitter<Set<string>>();
  colourBy: ColourBy = "height";
  pointSize = 2.5; // CSS pixels
  maskOpacity = 0.5;
  showPointsOnImages = false;
  isolated: number | null = null; // the only track that is shown
  private readonly hidden = new Set<number>();

  set(
    fields: Partial<
      Pick<Appearance, "colourBy" | "pointSize" | "maskOpacity" | "showPointsOnImages">
    >,
  ): void {
    Object.assign(this, fields);
    this.changed.emit(new Set(Object.keys(fields)));
  }

  isHidden(track: number): boolean {
    return this.isolated === null ? this.hidden.has(track) : this.isolated !== track;
  }

  setHidden(track: number, isHidden: boolean): void {
    if (isHidden) this.hidden.add(track);
    else this.hidden.delete(track);
    this.changed.emit(new Set(["hidden"]));
  }

  showAll(): void {
    this.hidden.clear();
    this.isolated = null;
    this.changed.emit(new Set(["hidden", "isolated"]));
  }

  /** Show this track alone; null: all that are not hidden. */
  isolate(track: number | null): void {
    this.isolated = track;
    this.changed.emit(new Set(["isolated"]));
  }

  /**
   * RGBA of every track, 4 bytes per track number; alpha 0: drawn as if it were not labelled.
   * Panes use it as one texture: recolouring or hiding a track is one texel.
   */
  lut(document: LabelDocument, _selection: Selection): Uint8Array {
    let most = -1;
    for (const number of document.tracks.keys()) most = Math.max(most, number);
    const rgba = new Uint8Array((most + 1) * 4);
    for (const track of document.tracks.values()) {
      const colour = colourOfTrack(track, document.labelClasses.get(track.label_class));
      rgba.set([...colour, this.isHidden(track.number) ? 0 : 255], track.number * 4);
    }
    return rgba;
  }
}
