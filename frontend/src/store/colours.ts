import type { LabelClass, Track } from "@/protocol/messages";

export type Rgb = [number, number, number]; // 0 ... 255

const UNKNOWN_CLASS: Rgb = [160, 168, 180];
// Multiples of these fill the unit square evenly, as those of the golden ratio do the unit line.
// Its square would not serve as the second: it is one minus the ratio, so both would move as one.
const FIRST_STEP = 0.7548776662;
const SECOND_STEP = 0.569840291;
const HUE_DEGREES = 44;
const LIGHTNESS = 0.36;

export function rgbOfHex(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

export function hexOfRgb(rgb: Rgb): string {
  return `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, "0")).join("")}`;
}

/**
 * The class's colour, shifted a little so that two neighbours of one class can be told apart.
 * Stuff is one track per class and keeps the class's own colour.
 */
export function colourOfTrack(track: Track, labelClass: LabelClass | undefined): Rgb {
  const base = labelClass ? rgbOfHex(labelClass.colour) : UNKNOWN_CLASS;
  if (track.is_stuff) return base;
  const first = (track.number * FIRST_STEP) % 1;
  const second = (track.number * SECOND_STEP) % 1;
  return shifted(base, (first - 0.5) * HUE_DEGREES, (second - 0.5) * LIGHTNESS);
}

/** degrees: of hue. lightness: added, -1 ... 1. */
function shifted([red, green, blue]: Rgb, degrees: number, lightness: number): Rgb {
  const most = Math.max(red, green, blue) / 255;
  const least = Math.min(red, green, blue) / 255;
  const chroma = most - least;
  const middle = (most + least) / 2;
  let hue = 0;
  if (chroma > 0) {
    if (most * 255 === red) hue = ((green - blue) / 255 / chroma + 6) % 6;
    else if (most * 255 === green) hue = (blue - red) / 255 / chroma + 2;
    else hue = (red - green) / 255 / chroma + 4;
  }
  const saturation = chroma === 0 ? 0 : chroma / (1 - Math.abs(2 * middle - 1));
  // Never so dark that it drowns in the background.
  return rgbOfHsl(
    hue * 60 + degrees,
    saturation,
    Math.min(0.85, Math.max(0.35, middle + lightness)),
  );
}

function rgbOfHsl(hueDegrees: number, saturation: number, lightness: number): Rgb {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (offset: number): number => {
    const k = (offset + hueDegrees / 30 + 24) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
