import { NO_TRACK } from "@/geometry/masks";
import { type Camera, cameraFromEgo, cameraOf, projectPoint } from "@/geometry/projection";
import type { Matrix4 } from "@/geometry/transforms";
import type { Sensor } from "@/protocol/messages";
import type { LabelMap } from "./LabelMaps";
import { LoadingNote } from "./LoadingNote";
import { PanePointer } from "./PanePointer";
import { PictureRenderer } from "./PictureRenderer";
import { PictureView } from "./PictureView";
import { drawMarks } from "./pictureMarks";
import type { OverlaySweep } from "./SweepOverlay";
import { marksOf, type Shared, type Sources, sharedOf } from "./sources";
import { describeEvent, type Pick, type PointerInput, type Tool } from "./Tool";

const MOST_PIXEL_RATIO = 2;
const OVERLAY_POINT_PX = 2;

/** One camera's picture at the timeline's frame, with masks, points and clicks over it. */
export class ImageViewport {
  private readonly shared: Shared;
  private readonly sensor: Sensor;
  private readonly camera: Camera;
  private readonly view: PictureView;
  private readonly canvas = document.createElement("canvas");
  private readonly loading: LoadingNote;
  private readonly pointer: PanePointer;
  private readonly stop: (() => void)[];
  private readonly resize: ResizeObserver;
  private readonly pixelRatio = Math.min(MOST_PIXEL_RATIO, window.devicePixelRatio || 1);
  private drawing = 0; // animation frame that is under way
  private shownFrame = -1;

  /** container: positioned, of any size, also none at first. */
  constructor(
    private readonly container: HTMLElement,
    sensorNumber: number,
    private readonly sources: Sources,
  ) {
    this.sensor = sources.scene.sensors.get(sensorNumber)!;
    this.camera = cameraOf(this.sensor);
    this.view = new PictureView(this.camera.widthPx, this.camera.heightPx);
    this.shared = sharedOf(sources);
    takeRenderer(this.shared);
    this.loading = new LoadingNote(container);
    this.canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;display:block";
    container.prepend(this.canvas);
    this.pointer = new PanePointer(container, this.gestures());
    this.stop = this.listen();
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(container);
    this.fit();
  }

  setTool(tool: Tool | null): void {
    this.pointer.setTool(tool);
  }

  /** The whole picture. */
  resetView(): void {
    this.view.fit();
    this.draw();
  }

  /** CSS pixels from the pane's top left to the pixel and its track; null outside the picture. */
  pick(x: number, y: number): Pick | null {
    const [u, v] = this.view.pixelAt(x, y);
    // While the frame's own picture is still on its way, there is nothing to be picked.
    const isShown = this.shownFrame === this.sources.timeline.frame;
    if (!isShown || !this.view.isInside([u, v])) return null;
    const tracks = this.labels()?.tracks;
    const track = tracks?.[Math.floor(v) * this.camera.widthPx + Math.floor(u)] ?? NO_TRACK;
    return { position: [u, v], track: this.visible(track), sensor: this.sensor.number };
  }

  /** The LiDAR point that appears nearest to a pixel, within `reachPx`: the way into the cloud. */
  pointAt(pixel: readonly number[], reachPx = 20): Pick | null {
    const fromEgo = this.fromEgo();
    let best: Pick | null = null;
    let bestScore = Number.POSITIVE_INFINITY;
    for (const { sensor, sweep, map } of this.sweeps()) {
      for (let point = 0; point < sweep.pointCount; point++) {
        const position = sweep.lowCorner.map(
          (low, axis) => low + sweep.stepM * sweep.points[point * 4 + axis]!,
        );
        const seen = projectPoint(position, fromEgo, this.camera);
        if (!seen) continue;
        const away = Math.hypot(seen.pixel[0] - pixel[0]!, seen.pixel[1] - pixel[1]!);
        // Of points that are about as near in the picture, the front one is the one seen.
        const score = away + seen.depthM * 0.25;
        if (away > reachPx || score >= bestScore) continue;
        bestScore = score;
        best = { position, track: this.visible(map.tracks[point]!), sensor, point };
      }
    }
    return best;
  }

  dispose(): void {
    cancelAnimationFrame(this.drawing);
    for (const stop of this.stop) stop();
    this.resize.disconnect();
    this.pointer.dispose();
    this.loading.dispose();
    this.canvas.remove();
    giveRendererBack(this.shared);
  }

  private listen(): (() => void)[] {
    const { scene, timeline, document, selection, appearance, cache } = this.sources;
    const { prompts, issues } = this.sources;
    const draw = (): void => this.draw();
    return [
      timeline.changed.on(draw),
      scene.changed.on(draw),
      document.changed.on(draw),
      selection.changed.on(draw),
      appearance.changed.on(draw),
      this.shared.lut.changed.on(draw),
      cache.arrived.on(({ frame, sensor }) => {
        const isOurs = sensor === this.sensor.number || scene.sensors.get(sensor)?.kind === "lidar";
        if (frame === timeline.frame && isOurs) draw();
      }),
      ...[prompts, issues].flatMap((marks) => marks?.changed.on(draw) ?? []),
    ];
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.container;
    if (!clientWidth || !clientHeight) return;
    this.canvas.width = Math.round(clientWidth * this.pixelRatio);
    this.canvas.height = Math.round(clientHeight * this.pixelRatio);
    this.view.setPane(clientWidth, clientHeight);
    this.drawNow();
  }

  private draw(): void {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.drawNow();
    });
  }

  private drawNow(): void {
    if (!this.container.clientWidth) return;
    const { timeline, selection, appearance, cache } = this.sources;
    const { frame } = timeline;
    const number = this.sensor.number;
    if (!this.sources.scene.frames[frame]) return;
    if (this.needsFull()) cache.wantFull(frame, number);
    const image = cache.image(frame, number) ?? null;
    const isUnderWay = !image && this.hasReading(frame);
    this.loading.show(isUnderWay ? frame : null);
    if (isUnderWay && this.shownFrame >= 0 && this.shownFrame !== frame) return; // keep the last
    if (image) this.shownFrame = frame;
    const { width, height } = this.canvas;
    const renderer = rendererOf(this.shared);
    renderer.draw(
      {
        sensor: number,
        camera: this.camera,
        view: this.view,
        pixelRatio: this.pixelRatio,
        image,
        labels: this.labels(),
        opacity: appearance.maskOpacity,
        selectedTrack: selection.track,
        hoveredTrack: selection.hoveredTrack,
        cameraFromEgo: this.fromEgo(),
        sweeps: appearance.showPointsOnImages ? this.sweeps() : [],
        pointSize: OVERLAY_POINT_PX * Math.min(2.5, Math.max(0.5, Math.sqrt(this.view.scale))),
      },
      width,
      height,
    );
    const context = this.canvas.getContext("2d")!;
    context.drawImage(renderer.canvas, 0, 0, width, height, 0, 0, width, height);
    const marks = marksOf(this.sources).filter(
      (mark) => mark.frame === frame && mark.sensor === number,
    );
    drawMarks(context, marks, this.view, this.pixelRatio);
  }

  /** Proxies serve while playing, and small panes always. */
  private needsFull(): boolean {
    const screenPerProxyPixel = this.view.scale * this.pixelRatio * 2;
    return !this.sources.timeline.playing && screenPerProxyPixel > 1.05;
  }

  private hasReading(frame: number): boolean {
    const readings = this.sources.scene.frames[frame]?.readings ?? [];
    return readings.some(({ sensor }) => sensor === this.sensor.number);
  }

  private visible(track: number): number | null {
    return track !== NO_TRACK && this.shared.lut.rgba[track * 4 + 3]! > 0 ? track : null;
  }

  private labels(): LabelMap | null {
    const { frame } = this.sources.timeline;
    const { widthPx, heightPx } = this.camera;
    if (!this.hasReading(frame)) return null;
    return this.shared.maps.map(frame, this.sensor.number, widthPx * heightPx);
  }

  private sweeps(): OverlaySweep[] {
    const { timeline, scene, cache } = this.sources;
    const { frame } = timeline;
    return [...scene.sensors.keys()].flatMap((sensor) => {
      const sweep = cache.sweep(frame, sensor);
      if (!sweep) return [];
      return [{ sensor, sweep, map: this.shared.maps.map(frame, sensor, sweep.pointCount) }];
    });
  }

  private fromEgo(): Matrix4 {
    const { scene, timeline } = this.sources;
    return cameraFromEgo(this.sensor, scene.frames[timeline.frame]!);
  }

  private gestures() {
    return {
      describe: (event: MouseEvent, x: number, y: number) => this.input(event, x, y),
      pan: (dx: number, dy: number) => {
        this.view.pan(dx, dy);
        this.draw();
      },
      zoom: (x: number, y: number, factor: number) => {
        this.view.zoomAt(x, y, 1 / factor);
        this.draw();
      },
      hover: (event: MouseEvent, x: number, y: number) => {
        const { tool } = this.pointer;
        tool?.onPointerMove?.(this.input(event, x, y));
      },
      describeNothing: (event: MouseEvent) => ({ ...this.input(event, -1, -1), pick: null }),
    };
  }

  private input(event: MouseEvent, x: number, y: number): PointerInput {
    return {
      ...describeEvent(event),
      view: "image",
      sensor: this.sensor.number,
      frame: this.sources.timeline.frame,
      pick: this.pick(x, y),
      x,
      y,
    };
  }
}

interface InUse {
  renderer: PictureRenderer;
  users: number;
}

const renderers = new WeakMap<Shared, InUse>();

/** One renderer for all pictures of a scene, given up with the last of them. */
function takeRenderer(shared: Shared): void {
  const inUse = renderers.get(shared) ?? { renderer: new PictureRenderer(shared.lut), users: 0 };
  renderers.set(shared, inUse);
  inUse.users += 1;
}

function rendererOf(shared: Shared): PictureRenderer {
  const inUse = renderers.get(shared)!;
  if (inUse.renderer.isLost) {
    inUse.renderer.dispose();
    inUse.renderer = new PictureRenderer(shared.lut);
  }
  return inUse.renderer;
}

function giveRendererBack(shared: Shared): void {
  const inUse = renderers.get(shared);
  if (!inUse || --inUse.users > 0) return;
  inUse.renderer.dispose();
  renderers.delete(shared);
}
