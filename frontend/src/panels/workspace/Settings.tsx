import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ColourBy } from "@/store/Appearance";
import { IconButton } from "./icons";
import type { Room } from "./Room";
import { useNewsOf } from "./watching";

const COLOURS: { value: ColourBy; label: string }[] = [
  { value: "object", label: "Object" },
  { value: "height", label: "Height" },
  { value: "intensity", label: "Intensity" },
];

/** How things look on this screen. */
export function Settings({ room }: { room: Room }): JSX.Element {
  const { appearance } = room;
  useNewsOf(appearance.changed);
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const away = (event: PointerEvent): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    window.addEventListener("pointerdown", away, true);
    return () => window.removeEventListener("pointerdown", away, true);
  }, [isOpen]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !isOpen) return;
    event.preventDefault();
    event.stopPropagation();
    setOpen(false);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Esc closes from wherever the focus is
    <div class="settings" ref={box} onKeyDown={onKeyDown}>
      <IconButton
        icon="settings"
        label="How things look"
        isPressed={isOpen}
        isExpanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      />
      {isOpen && (
        <section class="popover" aria-label="How things look">
          <fieldset>
            <legend>Colour points by</legend>
            <div class="choices">
              {COLOURS.map(({ value, label }) => (
                <label key={value}>
                  <input
                    type="radio"
                    name="colour-by"
                    checked={appearance.colourBy === value}
                    onChange={() => appearance.set({ colourBy: value })}
                  />
                  <span>{label}</span>
                </label>
              ))}
            </div>
          </fieldset>
          <Slider
            label="Point size"
            min={1}
            max={8}
            step={0.5}
            value={appearance.pointSize}
            shown={`${appearance.pointSize} px`}
            onInput={(pointSize) => appearance.set({ pointSize })}
          />
          <Slider
            label="Masks over pictures and points"
            min={0}
            max={1}
            step={0.05}
            value={appearance.maskOpacity}
            shown={`${Math.round(appearance.maskOpacity * 100)} %`}
            onInput={(maskOpacity) => appearance.set({ maskOpacity })}
          />
          <label class="check">
            <input
              type="checkbox"
              checked={appearance.showPointsOnImages}
              onChange={(event) =>
                appearance.set({ showPointsOnImages: event.currentTarget.checked })
              }
            />
            <span>
              Points over pictures <kbd>Ctrl+Q</kbd>
            </span>
          </label>
        </section>
      )}
    </div>
  );
}

function Slider(props: {
  label: string;
  min: number;
  max: number;
  step: number;
  value: number;
  shown: string;
  onInput: (value: number) => void;
}): JSX.Element {
  const { label, shown, onInput, ...range } = props;
  return (
    <label class="slider">
      <span>{label}</span>
      <output>{shown}</output>
      <input
        type="range"
        {...range}
        onInput={(event) => onInput(Number(event.currentTarget.value))}
      />
    </label>
  );
}
