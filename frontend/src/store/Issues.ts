import type { Issue } from "@/protocol/messages";
import { Emitter } from "./Emitter";

/** Where an issue is pinned that is still being written. */
export interface IssueDraft {
  frame: number;
  sensor: number | null;
  position: readonly number[] | null; // (u, v) pixels in a camera, (x, y, z) metres in ego
  track: number | null;
}

/** What is drawn of an issue in a pane. */
export interface IssueMark {
  sensor: number;
  frame: number;
  position: readonly number[];
  positive: boolean;
  pending: boolean; // hollow: resolved
  isIssue: true;
}

/** What people have said of places of the scene, which of it is looked at, and what is being written. */
export class Issues {
  readonly changed = new Emitter<void>();
  chosen: number | null = null;
  draft: IssueDraft | null = null;
  private readonly byId = new Map<number, Issue>();

  replaceWith(issues: readonly Issue[]): void {
    this.byId.clear();
    for (const issue of issues) this.byId.set(issue.id, issue);
    if (this.chosen !== null && !this.byId.has(this.chosen)) this.chosen = null;
    this.changed.emit();
  }

  put(issue: Issue): void {
    this.byId.set(issue.id, issue);
    this.changed.emit();
  }

  get(id: number | null): Issue | undefined {
    return id === null ? undefined : this.byId.get(id);
  }

  /** Open ones first, each by frame. */
  inOrder(): Issue[] {
    return [...this.byId.values()].sort(
      (a, b) => Number(b.is_open) - Number(a.is_open) || a.frame - b.frame || a.id - b.id,
    );
  }

  get openCount(): number {
    return [...this.byId.values()].filter(({ is_open }) => is_open).length;
  }

  choose(id: number | null): void {
    this.chosen = id;
    this.changed.emit();
  }

  begin(draft: IssueDraft): void {
    this.draft = draft;
    this.changed.emit();
  }

  leave(): void {
    this.draft = null;
    this.changed.emit();
  }

  /** The pins: open issues, the chosen one, and the one that is being written. */
  get marks(): readonly IssueMark[] {
    const shown = [...this.byId.values()].filter(
      ({ id, is_open }) => is_open || id === this.chosen,
    );
    const pins = [...shown, ...(this.draft ? [{ ...this.draft, is_open: true }] : [])];
    return pins.flatMap(({ frame, sensor, position, is_open }) =>
      sensor === null || position === null
        ? []
        : [{ frame, sensor, position, positive: true, pending: !is_open, isIssue: true as const }],
    );
  }
}
