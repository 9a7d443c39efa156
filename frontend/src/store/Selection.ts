import { Emitter } from "./Emitter";

export type SelectionField = "track" | "labelClass" | "hoveredTrack" | "tool";

/** What this person points at: not shared, not stored. */
export class Selection {
  readonly changed = new Emitter<Set<string>>();
  track: number | null = null;
  labelClass: number | null = null; // of the next new track
  hoveredTrack: number | null = null;
  tool = "select";

  set(fields: Partial<Pick<Selection, SelectionField>>): void {
    const different = (Object.keys(fields) as SelectionField[]).filter(
      (name) => fields[name] !== this[name],
    );
    if (!different.length) return;
    Object.assign(this, fields);
    this.changed.emit(new Set(different));
  }
}
