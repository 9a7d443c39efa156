import { CloudRenderer } from "./CloudRenderer";
import { CuboidLayer } from "./CuboidLayer";
import { GroundLayer } from "./GroundLayer";
import type { Layer } from "./Layer";
import { LoadingNote } from "./LoadingNote";
import { OrbitCamera } from "./OrbitCamera";
import { PanePointer } from "./PanePointer";
import { type Hit, Picker } from "./Picker";
import { PointCloudLayer } from "./PointCloudLayer";
import { PromptLayer } from "./PromptLayer";
import { marksOf, type Shared, type Sources, sharedOf } from "./sources";
import { describeEvent, type Pick, type PointerInput, type Tool } from "./Tool";

const RADIANS_PER_PIXEL = 0.006;

/**
 * The point cloud of the timeline's frame: draws when something has changed, turns pointer events
 * into the tool's input, moves its camera.
 */
export class Viewport3D {
  /** Settles after the next drawing. */
  screenshotReady: Promise<void> = Promise.resolve();

  private readonly orbit = new OrbitCamera();
  private readonly cloud: CloudRenderer;
  private readonly picker: Picker;
  private readonly points: PointCloudLayer;
  private readonly layers: Layer[];
  private readonly loading: LoadingNote;
  private readonly pointer: PanePointer;
  private readonly shared: Shared;
  private readonly stop: (() => void)[];
  private readonly resize: ResizeObserver;
  private drawing = 0; // animation frame that is under way
  private arePointsStale = true;
  private areLayersStale = true;
  private shownFrame = -1; // whose points are on the screen, all sweeps of them
  private hovered: { event: MouseEvent; x: number; y: number } | null = null;
  private settle: (() => void) | null = null;

  constructor(
    private readonly container: HTMLElement,
    private readonly sources: Sources,
  ) {
    const { scene, timeline, document, selection, appearance, cache, prompts, issues } = sources;
    this.shared = sharedOf(sources);
    this.cloud = new CloudRenderer(container);
    this.picker = new Picker(this.cloud.renderer, this.cloud.target);
    this.points = new PointCloudLayer(this.shared.lut.rgba);
    this.cloud.addPoints(this.points.object);
    const isLidar = (sensor: number): boolean => scene.sensors.get(sensor)?.kind === "lidar";
    this.layers = [
      new GroundLayer(),
      new CuboidLayer(sources, this.shared.lut),
      new PromptLayer(() => marksOf(sources), isLidar, this.cloud.pixelRatio),
    ];
    for (const layer of this.layers) this.cloud.addLines(layer.object);
    this.loading = new LoadingNote(container);
    this.pointer = new PanePointer(container, this.gestures());
    const all = (): void => this.draw({ points: true, layers: true });
    this.stop = [
      timeline.changed.on(all),
      scene.changed.on(all),
      document.changed.on(all),
      selection.changed.on(all),
      appearance.changed.on(all),
      this.shared.maps.changed.on(all),
      this.shared.lut.changed.on((runs) => {
        this.points.updateLut(this.cloud.renderer, runs);
        all();
      }),
      cache.arrived.on(({ frame, sensor }) => {
        if (frame === timeline.frame && isLidar(sensor)) all();
      }),
      ...[prompts, issues].flatMap(
        (marks) => marks?.changed.on(() => this.draw({ layers: true })) ?? [],
      ),
    ];
    // Three restores its own; what was drawn is gone.
    this.cloud.renderer.domElement.addEventListener("webglcontextrestored", all);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(container);
    this.fit();
  }

  setTool(tool: Tool | null): void {
    this.pointer.setTool(tool);
  }

  /** Bring a place to the middle. size: metres across that should fill much of the pane. */
  flyTo(pointEgo: readonly number[], size: number): void {
    this.orbit.flyTo(pointEgo, size);
    this.draw({ points: true });
  }

  topView(): void {
    this.orbit.lookFromTop();
    this.draw({ points: true });
  }

  resetView(): void {
    this.orbit.reset();
    this.draw({ points: true });
  }

  /** The point under a place of the pane, CSS pixels from its top left; null when none is near. */
  pick(x: number, y: number): Pick | null {
    if (this.arePointsStale) this.drawNow(); // what is picked is what would be seen
    return this.described(this.picker.pick(x * this.cloud.pixelRatio, y * this.cloud.pixelRatio));
  }

  dispose(): void {
    cancelAnimationFrame(this.drawing);
    for (const stop of this.stop) stop();
    this.resize.disconnect();
    this.pointer.dispose();
    this.loading.dispose();
    this.points.dispose();
    for (const layer of this.layers) layer.dispose();
    this.cloud.dispose();
    this.settle?.();
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.container;
    if (!clientWidth || !clientHeight) return;
    this.cloud.setSize(clientWidth, clientHeight);
    this.arePointsStale = this.areLayersStale = true;
    this.drawNow(); // at once: a resized canvas is empty
  }

  private draw({ points = false, layers = false }): void {
    this.arePointsStale ||= points;
    this.areLayersStale ||= layers;
    if (this.drawing) return;
    this.screenshotReady = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.drawNow();
      this.settle?.();
    });
  }

  private drawNow(): void {
    if (!this.container.clientWidth) return;
    if (this.arePointsStale) {
      this.updatePoints();
      this.cloud.drawPoints(this.orbit);
    }
    if (this.areLayersStale) for (const layer of this.layers) layer.update(this.shownFrame);
    this.cloud.drawCanvas();
    this.arePointsStale = this.areLayersStale = false;
  }

  /** All sweeps of the frame at once, or still the frame before: never a mixture of two. */
  private updatePoints(): void {
    const { timeline, cache, appearance, selection } = this.sources;
    const { frame } = timeline;
    this.points.setLook({
      sizePx: appearance.pointSize * this.cloud.pixelRatio,
      nearness: this.orbit.isOrthographic ? 0 : 25,
      colourBy: appearance.colourBy,
      labelShare: appearance.maskOpacity,
      hoveredTrack: selection.hoveredTrack,
      selectedTrack: selection.track,
    });
    const lidars = this.lidarsIn(frame);
    const isUnderWay = lidars.some((sensor) => !cache.sweep(frame, sensor));
    this.loading.show(isUnderWay ? frame : null);
    if (isUnderWay) return;
    if (this.shownFrame !== frame) this.areLayersStale = true;
    this.shownFrame = frame;
    for (const sensor of this.sources.scene.sensors.keys()) {
      const sweep = lidars.includes(sensor) ? cache.sweep(frame, sensor)! : null;
      const map = sweep && this.shared.maps.map(frame, sensor, sweep.pointCount);
      if (sweep || this.sources.scene.sensors.get(sensor)!.kind === "lidar") {
        this.points.setSweep(sensor, sweep, map);
      }
    }
  }

  private lidarsIn(frame: number): number[] {
    const { sensors, frames } = this.sources.scene;
    return (frames[frame]?.readings ?? [])
      .map(({ sensor }) => sensor)
      .filter((sensor) => sensors.get(sensor)?.kind === "lidar");
  }

  private described(hit: Hit | null): Pick | null {
    const found = hit && this.points.sweepInSlot(hit.slot);
    // While the frame's own points are still on their way, there is nothing to be picked.
    if (!hit || !found || this.shownFrame !== this.sources.timeline.frame) return null;
    const { sensor, sweep } = found;
    const at = hit.point * 4;
    const position = sweep.lowCorner.map(
      (low, axis) => low + sweep.stepM * sweep.points[at + axis]!,
    );
    const track = this.points.trackOfPoint(sensor, hit.point);
    const isVisible = track !== null && this.shared.lut.rgba[track * 4 + 3]! > 0;
    return { position, track: isVisible ? track : null, sensor, point: hit.point };
  }

  private gestures() {
    return {
      describe: (event: MouseEvent, x: number, y: number) =>
        this.input(event, x, y, this.pick(x, y)),
      orbit: (dx: number, dy: number) => {
        this.orbit.orbit(-dx * RADIANS_PER_PIXEL, dy * RADIANS_PER_PIXEL);
        this.draw({ points: true });
      },
      pan: (dx: number, dy: number) => {
        this.orbit.pan(dx, dy, this.container.clientHeight);
        this.draw({ points: true });
      },
      zoom: (x: number, y: number, factor: number) => {
        const { clientWidth, clientHeight } = this.container;
        const under = this.pick(x, y)?.position;
        this.orbit.zoom(
          factor,
          under ?? this.orbit.pointOnTargetPlane(x, y, clientWidth, clientHeight),
        );
        this.draw({ points: true });
      },
      pivot: (x: number, y: number) => {
        const under = this.pick(x, y);
        if (!under) return;
        this.orbit.setPivot(under.position);
        this.draw({ points: true });
      },
      hover: (event: MouseEvent, x: number, y: number) => void this.hover(event, x, y),
      describeNothing: (event: MouseEvent) => {
        this.hovered = null;
        return this.input(event, -1, -1, null);
      },
    };
  }

  private async hover(event: MouseEvent, x: number, y: number): Promise<void> {
    if (!this.pointer.tool?.onPointerMove || this.arePointsStale) return;
    this.hovered = { event, x, y };
    const ratio = this.cloud.pixelRatio;
    const hit = await this.picker.pickLater(x * ratio, y * ratio);
    const latest = this.hovered;
    // A read under way comes back to the latest place; a pointer that has left wants no answer.
    if (hit === undefined || !latest) return;
    this.pointer.tool?.onPointerMove?.(this.input(event, x, y, this.described(hit)));
    if (latest && latest.event !== event) void this.hover(latest.event, latest.x, latest.y);
  }

  private input(event: MouseEvent, x: number, y: number, pick: Pick | null): PointerInput {
    const sensor = pick?.sensor ?? -1;
    const { frame } = this.sources.timeline;
    return { ...describeEvent(event), view: "cloud", sensor, frame, pick, x, y };
  }
}
