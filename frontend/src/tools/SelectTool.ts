import type { Selection } from "@/store/Selection";
import type { PointerInput, Tool } from "@/viewport/Tool";

/** Click an object to select it, elsewhere to let go. Dragging moves the view. */
export class SelectTool implements Tool {
  readonly cursor = "default";

  /** jump: shows the place of a double click in the cloud. */
  constructor(
    private readonly selection: Selection,
    private readonly jump: (input: PointerInput) => void = () => undefined,
  ) {}

  onPointerMove({ pick }: PointerInput): void {
    this.selection.set({ hoveredTrack: pick?.track ?? null });
  }

  onClick({ pick, button }: PointerInput): void {
    if (button === 0) this.selection.set({ track: pick?.track ?? null });
  }

  onDoubleClick(input: PointerInput): void {
    this.jump(input);
  }

  cancel(): void {
    this.selection.set({ track: null });
  }
}
