import type { JSX, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { cameraOf } from "@/geometry/projection";
import type { Sensor } from "@/protocol/messages";
import { ImageViewport } from "@/viewport/ImageViewport";
import { Viewport3D } from "@/viewport/Viewport3D";
import { IconButton } from "./icons";
import type { Room } from "./Room";
import { Splitter } from "./Splitter";
import { useNewsOf } from "./watching";

const GAP_PX = 4;
const LEAST_STRIP_PX = 90;
const MOST_STRIP_SHARE = 0.38; // the cloud keeps the larger part

/** Where a pane is, in the CSS of the panes' box. */
type Place = Record<"left" | "right" | "top" | "bottom" | "width" | "height", string>;

const place = (fields: Partial<Place>): Partial<Place> => ({
  left: "auto",
  right: "auto",
  top: "auto",
  bottom: "auto",
  width: "auto",
  height: "auto",
  ...fields,
});

/**
 * The cloud, beside it the enlarged camera if there is one, below them the strip of cameras.
 * Panes keep their elements wherever they are shown: their drawings are not made anew.
 */
export function Panes(props: {
  room: Room;
  enlarged: number | null;
  onEnlarge: (sensor: number | null) => void;
}): JSX.Element {
  const { room, enlarged, onEnlarge } = props;
  const [chosenPx, setChosenPx] = useState(() => remembered("masklet.strip", 0)); // 0: not yet
  const [share, setShare] = useState(() => remembered("masklet.split", 0.5));
  const box = useRef<HTMLDivElement>(null);
  const [width, height] = useSizeOf(box);
  useNewsOf(room.scene.changed);
  const cameras = room.cameras();
  const stripPx = chosenPx || fittingStrip(cameras.map(cameraOf), width, height);
  const hasCloud = [...room.scene.sensors.values()].some(({ kind }) => kind === "lidar");
  const large = cameras.find(({ number }) => number === enlarged) ?? (hasCloud ? null : cameras[0]);
  const strip = cameras.filter((camera) => camera !== large);
  const bottom = strip.length ? `${stripPx + GAP_PX}px` : "0";
  const split = hasCloud && large ? share : hasCloud ? 1 : 0;
  const percent = `${split * 100}%`;

  const placeOf = (camera: Sensor): Partial<Place> => {
    if (camera === large) {
      const left = split ? `calc(${percent} + ${GAP_PX / 2}px)` : "0";
      return place({ left, right: "0", top: "0", bottom });
    }
    const width = 100 / strip.length;
    const gap = (GAP_PX * (strip.length - 1)) / strip.length;
    const index = strip.indexOf(camera);
    return place({
      left: `calc(${width * index}% + ${(GAP_PX / strip.length) * index}px)`,
      width: `calc(${width}% - ${gap}px)`,
      bottom: "0",
      height: `${stripPx}px`,
    });
  };
  const moveStrip = (y: number): void => {
    const most = Math.max(LEAST_STRIP_PX, height - 160);
    setChosenPx(remember("masklet.strip", Math.min(most, Math.max(LEAST_STRIP_PX, height - y))));
  };
  const moveSplit = (x: number): void => {
    setShare(remember("masklet.split", Math.min(0.85, Math.max(0.15, x / (width || 1)))));
  };

  return (
    <div class="panes" ref={box}>
      {hasCloud && (
        <CloudPane
          room={room}
          place={place({
            left: "0",
            top: "0",
            bottom,
            width: large ? `calc(${percent} - ${GAP_PX / 2}px)` : "100%",
          })}
        />
      )}
      {cameras.map((camera, index) => (
        <CameraPane
          key={camera.number}
          room={room}
          camera={camera}
          shortcut={index < 9 ? `Shift+${index + 1}` : ""}
          isLarge={camera === large}
          place={placeOf(camera)}
          onEnlarge={
            hasCloud
              ? () => onEnlarge(camera === large ? null : camera.number)
              : () => onEnlarge(camera.number)
          }
        />
      ))}
      {hasCloud && large && (
        <Splitter
          isVertical
          label="Width of the cloud"
          style={place({ left: `calc(${percent} - 3px)`, top: "0", bottom, width: "6px" })}
          box={box}
          value={Math.round(share * 100)}
          onMove={moveSplit}
        />
      )}
      {strip.length > 0 && (
        <Splitter
          label="Height of the cameras"
          style={place({ left: "0", right: "0", bottom: `${stripPx - 1}px`, height: "6px" })}
          box={box}
          value={Math.round(stripPx)}
          onMove={moveStrip}
        />
      )}
    </div>
  );
}

/** Until somebody has moved the splitter: as high as the pictures need side by side. */
export function fittingStrip(
  cameras: readonly { widthPx: number; heightPx: number }[],
  widthPx: number,
  heightPx: number,
): number {
  const each = widthPx / Math.max(1, cameras.length);
  const needed = Math.max(0, ...cameras.map((camera) => (each * camera.heightPx) / camera.widthPx));
  return Math.round(Math.max(LEAST_STRIP_PX, Math.min(needed, heightPx * MOST_STRIP_SHARE)));
}

/** Width and height in CSS pixels. */
function useSizeOf(box: RefObject<HTMLElement | null>): [number, number] {
  const [size, setSize] = useState<[number, number]>([0, 0]);
  useLayoutEffect(() => {
    const measure = (): void =>
      setSize([box.current?.clientWidth ?? 0, box.current?.clientHeight ?? 0]);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return size;
}

/** The pane; null, and a word to the person, where the browser cannot draw it. */
function drawn<T>(room: Room, what: string, make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    room.tell(`The ${what} cannot be drawn (${why}): this browser must offer WebGL 2.`, true);
    return null;
  }
}

function CloudPane({ room, place }: { room: Room; place: Partial<Place> }): JSX.Element {
  const view = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const cloud = drawn(room, "cloud", () => new Viewport3D(view.current!, room));
    if (!cloud) return;
    room.cloud = cloud;
    cloud.setTool(room.tool);
    return () => {
      room.cloud = null;
      cloud.dispose();
    };
  }, [room]);
  return (
    <section class="pane" style={place} aria-label="Point cloud">
      <div class="pane-view" ref={view} />
      <div class="pane-corner">
        <IconButton icon="top" label="From above (Shift+V)" onClick={() => room.cloud?.topView()} />
        <IconButton
          icon="home"
          label="All panes as at the start (Shift+F)"
          onClick={() => room.resetViews()}
        />
      </div>
    </section>
  );
}

function CameraPane(props: {
  room: Room;
  camera: Sensor;
  shortcut: string;
  isLarge: boolean;
  place: Partial<Place>;
  onEnlarge: () => void;
}): JSX.Element {
  const { room, camera, isLarge, shortcut } = props;
  const view = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const picture = drawn(room, `picture of ${camera.name}`, () => {
      return new ImageViewport(view.current!, camera.number, room);
    });
    if (!picture) return;
    room.pictures.set(camera.number, picture);
    picture.setTool(room.tool);
    return () => {
      room.pictures.delete(camera.number);
      picture.dispose();
    };
  }, [room, camera.number]);
  const label = isLarge ? "Back to the strip" : "Enlarge";
  return (
    <section class="pane" style={props.place} aria-label={`Camera ${camera.name}`}>
      <div class="pane-view" ref={view} />
      <span class="pane-name">{camera.name}</span>
      <div class="pane-corner">
        <IconButton
          icon={isLarge ? "shrink" : "enlarge"}
          label={shortcut ? `${label} (${shortcut})` : label}
          onClick={props.onEnlarge}
        />
      </div>
    </section>
  );
}

function remembered(key: string, otherwise: number): number {
  const value = Number(localStorage.getItem(key) ?? Number.NaN);
  return Number.isFinite(value) ? value : otherwise;
}

function remember(key: string, value: number): number {
  localStorage.setItem(key, String(value));
  return value;
}
