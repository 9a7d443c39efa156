/** The panes on a scene of a few frames, without the rest of the workspace. For looking at. */
import { FrameCache } from "@/assets/FrameCache";
import type { Cuboid, Frame, Sensor } from "@/protocol/messages";
import { Appearance } from "@/store/Appearance";
import { Emitter } from "@/store/Emitter";
import { LabelDocument } from "@/store/LabelDocument";
import { SceneInfo } from "@/store/SceneInfo";
import { Selection } from "@/store/Selection";
import { Timeline } from "@/store/Timeline";
import { ImageViewport } from "@/viewport/ImageViewport";
import type { PromptMark } from "@/viewport/sources";
import type { PointerInput, Tool } from "@/viewport/Tool";
import { Viewport3D } from "@/viewport/Viewport3D";

interface Description {
  sensors: Sensor[];
  frames: Frame[];
  tracks: number[];
  cuboids: Cuboid[];
}

const description = (await (await fetch("scene.json")).json()) as Description;
const scene = new SceneInfo();
scene.frames = description.frames;
scene.sensors = new Map(description.sensors.map((sensor) => [sensor.number, sensor]));
const timeline = new Timeline();
timeline.frameCount = scene.frames.length;
const document_ = new LabelDocument();
for (const number of description.tracks)
  document_.tracks.set(number, { number, draw_order: 0 } as never);
for (const cuboid of description.cuboids) {
  document_.cuboids.set(`${cuboid.track}:${cuboid.frame}`, cuboid);
}
const selection = new Selection();
const appearance = new Appearance();
appearance.colourBy = "height";
appearance.maskOpacity = 0.45;
const prompts = { prompts: [] as PromptMark[], changed: new Emitter<void>() };
const url = `${location.origin.replace("http", "ws")}/bulk`;
const cache = new FrameCache(url, scene, timeline, document_, {});
const sources = {
  scene,
  timeline,
  document: document_,
  selection,
  appearance,
  cache,
  prompts,
};
const clicks: PointerInput[] = [];
const tool: Tool = {
  cursor: "crosshair",
  onClick: (input) => void clicks.push(input),
  onPointerMove: ({ pick }) => selection.set({ hoveredTrack: pick?.track ?? null }),
  cancel: () => undefined,
};
const cloud = new Viewport3D(document.getElementById("cloud")!, sources);
cloud.setTool(tool);
const pictures = description.sensors
  .filter(({ kind }) => kind === "camera")
  .map(({ number }) => {
    const pane = document.createElement("div");
    pane.className = "pane camera";
    document.body.append(pane);
    const picture = new ImageViewport(pane, number, sources);
    picture.setTool(tool);
    return picture;
  });

const { document: _, ...rest } = sources;
Object.assign(window, { ...rest, labels: document_, cloud, pictures, clicks });
