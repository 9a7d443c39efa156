import type { JSX } from "preact";

/** Line drawings of 16 units, in the colour of the text. */
const PATHS = {
  select: "M4 2l8 7-4 .6L6.4 14z",
  click: "M8 2v3M8 11v3M2 8h3M11 8h3M8 6.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z",
  issue: "M2.5 3h11v8H8l-3 2.5V11H2.5zM8 5v2.5M8 9h0",
  undo: "M3 6h6.5a3.5 3.5 0 0 1 0 7H6M3 6l3-3M3 6l3 3",
  top: "M3 3h10v10H3zM8 5v6M5 8h6",
  home: "M2.5 8L8 3l5.5 5M4 7v6h8V7",
  settings: "M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M10.5 3v3M5.5 10v3",
  keys: "M2 4h12v8H2zM4.5 6.5h0M7 6.5h0M9.5 6.5h0M11.7 6.5h0M5 9.5h6",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 6.2a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6z",
  eyeOff:
    "M2 2l12 12M6.3 4.1A6 6 0 0 1 8 3.8C12 3.8 14.5 8 14.5 8a12 12 0 0 1-1.9 2.3M4 5.2A12 12 0 0 0 1.5 8S4 12.2 8 12.2a6 6 0 0 0 2.6-.6",
  isolate: "M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  trash: "M2.5 4.5h11M6 4.5V2.5h4v2M4 4.5l.7 9h6.6l.7-9",
  play: "M4.5 2.5l9 5.5-9 5.5z",
  pause: "M4.5 3v10M11.5 3v10",
  next: "M6 3l5 5-5 5",
  previous: "M10 3L5 8l5 5",
  enlarge: "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5L9 7M2.5 13.5L7 9",
  shrink: "M13 7H9V3M3 9h4v4M9 7l4.5-4.5M7 9l-4.5 4.5",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  plus: "M8 3v10M3 8h10",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A button that is only an icon: its label is read out and shown on hover. */
export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick: (event: MouseEvent) => void;
  isPressed?: boolean;
  isExpanded?: boolean; // of what it opens
  isDisabled?: boolean;
  class?: string;
}): JSX.Element {
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ""}`}
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.isPressed}
      aria-expanded={props.isExpanded}
      disabled={props.isDisabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}
