import {
  BufferAttribute,
  BufferGeometry,
  DataTexture,
  DynamicDrawUsage,
  GLSL3,
  Group,
  NearestFilter,
  Points,
  RawShaderMaterial,
  RGBAFormat,
  Vector2,
  Vector3,
  type WebGLRenderer,
} from "three";
import type { DecodedSweep } from "@/assets/SweepDecoder";
import { NO_TRACK } from "@/geometry/masks";
import type { LabelMap } from "./LabelMaps";
import { LUT_WIDTH, rowsOfRun } from "./LutTexels";
import fragmentShader from "./shaders/points.frag.glsl?raw";
import vertexShader from "./shaders/points.vert.glsl?raw";

export const COLOUR_BY = { height: 0, intensity: 1, object: 2 } as const;

interface SweepOnGpu {
  points: Points<BufferGeometry, RawShaderMaterial>;
  sweep: DecodedSweep | null;
  mapVersion: number;
}

/** Beyond this many points a pick could not name the point: 24 bits of the id buffer. */
export const MOST_POINTS = (1 << 24) - 2;

/**
 * The sweeps of one frame as they came: 8 bytes a point, and 2 for the track that owns it.
 *
 * What a track looks like is in one texture: to recolour or hide it is one texel, whatever the
 * number of points.
 */
export class PointCloudLayer {
  readonly object = new Group();
  private readonly sweeps = new Map<number, SweepOnGpu>(); // by sensor
  private readonly lut: DataTexture;
  private readonly shared;

  constructor(lutRgba: Uint8Array) {
    this.lut = new DataTexture(lutRgba, LUT_WIDTH, LUT_WIDTH, RGBAFormat);
    this.lut.magFilter = this.lut.minFilter = NearestFilter;
    this.lut.needsUpdate = true;
    this.shared = {
      lut: { value: this.lut },
      sizePx: { value: 2 },
      nearness: { value: 25 },
      colourBy: { value: 0 },
      labelShare: { value: 1 },
      hoveredTrack: { value: -1 },
      selectedTrack: { value: -1 },
    };
  }

  setLook(look: {
    sizePx: number;
    nearness: number;
    colourBy: keyof typeof COLOUR_BY;
    labelShare: number;
    hoveredTrack: number | null;
    selectedTrack: number | null;
  }): void {
    this.shared.sizePx.value = look.sizePx;
    this.shared.nearness.value = look.nearness;
    this.shared.colourBy.value = COLOUR_BY[look.colourBy];
    this.shared.labelShare.value = look.labelShare;
    this.shared.hoveredTrack.value = look.hoveredTrack ?? -1;
    this.shared.selectedTrack.value = look.selectedTrack ?? -1;
  }

  /** Show a sensor's sweep with its owners; null shows nothing of that sensor. */
  setSweep(sensor: number, sweep: DecodedSweep | null, map: LabelMap | null): void {
    const onGpu = this.sweeps.get(sensor) ?? this.add(sensor);
    onGpu.points.visible = sweep !== null && sweep.pointCount > 0;
    if (!sweep || !map) return;
    if (onGpu.sweep !== sweep) this.uploadPoints(onGpu, sweep);
    if (onGpu.mapVersion !== map.version) this.uploadTracks(onGpu, map);
  }

  /** [first, end) texels have new colours in the array that the layer was made with. */
  updateLut(renderer: WebGLRenderer, runs: [number, number][]): void {
    if (runs.length > 16) this.lut.needsUpdate = true;
    else for (const run of runs) this.copyTexels(renderer, run);
  }

  /** The sweep and sensor behind a slot of the id buffer. */
  sweepInSlot(slot: number): { sensor: number; sweep: DecodedSweep } | null {
    for (const [sensor, { points, sweep }] of this.sweeps) {
      if (points.material.uniforms.slot!.value === slot && sweep) return { sensor, sweep };
    }
    return null;
  }

  trackOfPoint(sensor: number, point: number): number | null {
    const tracks = this.sweeps.get(sensor)?.points.geometry.getAttribute("track");
    const track = tracks?.array[point] ?? NO_TRACK;
    return track === NO_TRACK ? null : track;
  }

  dispose(): void {
    for (const { points } of this.sweeps.values()) {
      points.geometry.dispose();
      points.material.dispose();
    }
    this.lut.dispose();
  }

  private add(sensor: number): SweepOnGpu {
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader,
      fragmentShader,
      uniforms: {
        ...this.shared,
        lowCorner: { value: new Vector3() },
        stepM: { value: 0 },
        slot: { value: this.sweeps.size + 1 },
      },
    });
    const points = new Points(new BufferGeometry(), material);
    points.frustumCulled = false; // three would look for float positions
    this.object.add(points);
    const onGpu = { points, sweep: null, mapVersion: -1 };
    this.sweeps.set(sensor, onGpu);
    return onGpu;
  }

  private uploadPoints(onGpu: SweepOnGpu, sweep: DecodedSweep): void {
    const { points } = onGpu;
    const count = Math.min(sweep.pointCount, MOST_POINTS);
    this.makeRoom(onGpu, count);
    const attribute = points.geometry.getAttribute("point") as BufferAttribute;
    attribute.array.set(sweep.points.subarray(0, count * 4));
    attribute.clearUpdateRanges();
    attribute.addUpdateRange(0, count * 4);
    attribute.needsUpdate = true;
    points.geometry.setDrawRange(0, count);
    points.material.uniforms.lowCorner!.value.fromArray(sweep.lowCorner);
    points.material.uniforms.stepM!.value = sweep.stepM;
    onGpu.sweep = sweep;
    onGpu.mapVersion = -1;
  }

  /** Sweeps of a drive differ by a few per cent: buffers with room to spare serve all of them. */
  private makeRoom({ points }: SweepOnGpu, count: number): void {
    if ((points.geometry.getAttribute("point")?.count ?? 0) >= count) return;
    points.geometry.dispose();
    points.geometry = new BufferGeometry();
    const room = Math.min(MOST_POINTS, Math.ceil(count * 1.15) + 1024);
    for (const [name, size] of [
      ["point", 4],
      ["track", 1],
    ] as const) {
      const attribute = new BufferAttribute(new Uint16Array(room * size), size, false);
      points.geometry.setAttribute(name, attribute.setUsage(DynamicDrawUsage));
    }
  }

  private uploadTracks(onGpu: SweepOnGpu, map: LabelMap): void {
    const attribute = onGpu.points.geometry.getAttribute("track") as BufferAttribute;
    const isNext = map.changed !== null && onGpu.mapVersion === map.before;
    const [first, end] = isNext ? map.changed! : [0, Math.min(map.tracks.length, attribute.count)];
    attribute.array.set(map.tracks.subarray(first, end), first);
    if (!isNext) attribute.clearUpdateRanges();
    attribute.addUpdateRange(first, end - first);
    attribute.needsUpdate = true;
    onGpu.mapVersion = map.version;
  }

  private copyTexels(renderer: WebGLRenderer, run: [number, number]): void {
    renderer.initTexture(this.lut);
    const rgba = this.lut.image.data as Uint8Array;
    for (const { column, row, width, height } of rowsOfRun(run)) {
      const first = (row * LUT_WIDTH + column) * 4;
      const part = new DataTexture(
        rgba.slice(first, first + width * height * 4),
        width,
        height,
        RGBAFormat,
      );
      part.needsUpdate = true;
      renderer.copyTextureToTexture(part, this.lut, null, new Vector2(column, row));
      part.dispose();
    }
  }
}
