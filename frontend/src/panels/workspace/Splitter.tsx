import type { JSX, RefObject } from "preact";

const STEP_PX = 16;

/** A line that is dragged, or moved with the arrow keys, to give one side more room. */
export function Splitter(props: {
  label: string;
  isVertical?: boolean;
  style: Record<string, string>;
  box: RefObject<HTMLElement | null>;
  value: number;
  onMove: (position: number) => void; // CSS pixels from the box's left or top
}): JSX.Element {
  const { isVertical = false, box, onMove } = props;
  const positionOf = (event: { clientX: number; clientY: number }): number => {
    const edges = box.current!.getBoundingClientRect();
    return isVertical ? event.clientX - edges.left : event.clientY - edges.top;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const [less, more] = isVertical ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    if (event.key !== less && event.key !== more) return;
    event.preventDefault();
    const edges = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const here = positionOf({
      clientX: edges.left + edges.width / 2,
      clientY: edges.top + edges.height / 2,
    });
    onMove(here + (event.key === more ? STEP_PX : -STEP_PX));
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: an <hr> takes no focus and no drag
    <div
      class={`splitter ${isVertical ? "vertical" : ""}`}
      role="separator"
      tabIndex={0}
      aria-label={props.label}
      aria-orientation={isVertical ? "vertical" : "horizontal"}
      aria-valuenow={props.value}
      style={props.style}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) onMove(positionOf(event));
      }}
      onKeyDown={onKeyDown}
    />
  );
}
