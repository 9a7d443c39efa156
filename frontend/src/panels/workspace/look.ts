import type { Appearance, ColourBy } from "@/store/Appearance";

const KEY = "masklet.look";
const COLOURINGS: readonly ColourBy[] = ["object", "height", "intensity"];

/** How this browser last showed things, for the next scene and the next day. Returns what ends it. */
export function keepLook(appearance: Appearance): () => void {
  appearance.set(remembered());
  return appearance.changed.on(() => {
    const { colourBy, pointSize, maskOpacity, showPointsOnImages } = appearance;
    const look = { colourBy, pointSize, maskOpacity, showPointsOnImages };
    localStorage.setItem(KEY, JSON.stringify(look));
  });
}

/** Only what is what it should be: an older page may have written it. */
function remembered(): Parameters<Appearance["set"]>[0] {
  const { colourBy, pointSize, maskOpacity, showPointsOnImages } = stored();
  return {
    ...(COLOURINGS.includes(colourBy as ColourBy) && { colourBy: colourBy as ColourBy }),
    ...(isWithin(pointSize, 1, 8) && { pointSize }),
    ...(isWithin(maskOpacity, 0, 1) && { maskOpacity }),
    ...(typeof showPointsOnImages === "boolean" && { showPointsOnImages }),
  };
}

function stored(): Record<string, unknown> {
  try {
    return Object(JSON.parse(localStorage.getItem(KEY) ?? "{}"));
  } catch {
    return {};
  }
}

const isWithin = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && least <= value && value <= most;
