import type { IssueDraft } from "@/store/Issues";
import type { Selection } from "@/store/Selection";
import type { PointerInput, Tool } from "@/viewport/Tool";

/** Click a place to say something of it. Dragging moves the view. */
export class IssueTool implements Tool {
  readonly cursor = "crosshair";

  constructor(
    private readonly selection: Selection,
    private readonly begin: (draft: IssueDraft) => void,
  ) {}

  onPointerMove({ pick }: PointerInput): void {
    this.selection.set({ hoveredTrack: pick?.track ?? null });
  }

  onClick({ pick, button, frame }: PointerInput): void {
    if (button !== 0) return;
    // Where nothing lies the issue is about the frame as a whole.
    const { sensor, position, track } = pick ?? { sensor: null, position: null, track: null };
    this.selection.set({ track });
    this.begin({ frame, sensor, position, track });
  }

  cancel(): void {
    this.selection.set({ tool: "select" });
  }
}
