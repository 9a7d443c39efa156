import type { DecodedSweep } from "@/assets/SweepDecoder";
import type { Camera } from "@/geometry/projection";
import type { Matrix4 } from "@/geometry/transforms";
import { makeProgram, uniformsOf } from "./gl";
import type { LabelMap } from "./LabelMaps";
import overlayFragment from "./shaders/overlay.frag.glsl?raw";
import overlayVertex from "./shaders/overlay.vert.glsl?raw";

const POINT = 0;
const TRACK = 1;

export interface OverlaySweep {
  sensor: number;
  sweep: DecodedSweep;
  map: LabelMap;
}

export interface OverlayLook {
  camera: Camera;
  cameraFromEgo: Matrix4;
  clipFromPixel: readonly number[];
  sizePx: number; // device pixels
  lut: WebGLTexture;
}

interface SweepOnGpu {
  points: WebGLBuffer;
  tracks: WebGLBuffer;
  array: WebGLVertexArrayObject;
  sweep: DecodedSweep | null;
  mapVersion: number;
}

/** Sweeps drawn over pictures. Each is on the GPU once, however many cameras see it. */
export class SweepOverlay {
  private readonly program: WebGLProgram;
  private readonly uniform;
  private readonly sweeps = new Map<number, SweepOnGpu>();

  constructor(private readonly gl: WebGL2RenderingContext) {
    this.program = makeProgram(gl, overlayVertex, overlayFragment, { point: POINT, track: TRACK });
    this.uniform = uniformsOf(gl, this.program);
  }

  draw(sweeps: OverlaySweep[], look: OverlayLook): void {
    const { gl, uniform } = this;
    const { camera } = look;
    gl.useProgram(this.program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, look.lut);
    gl.uniform1i(uniform("lut"), 0);
    gl.uniformMatrix4fv(uniform("cameraFromEgo"), true, new Float32Array(look.cameraFromEgo));
    gl.uniform1fv(uniform("lens"), lensOf(camera));
    gl.uniform2f(uniform("pictureSize"), camera.widthPx, camera.heightPx);
    gl.uniform4fv(uniform("screenFromPixel"), look.clipFromPixel);
    gl.uniform1f(uniform("sizePx"), look.sizePx);
    for (const { sensor, sweep, map } of sweeps) {
      const onGpu = this.sweepOf(sensor);
      this.upload(onGpu, sweep, map);
      gl.uniform3fv(uniform("lowCorner"), sweep.lowCorner);
      gl.uniform1f(uniform("stepM"), sweep.stepM);
      gl.bindVertexArray(onGpu.array);
      gl.drawArrays(gl.POINTS, 0, sweep.pointCount);
    }
    gl.bindVertexArray(null);
  }

  private upload(onGpu: SweepOnGpu, sweep: DecodedSweep, map: LabelMap): void {
    const { gl } = this;
    if (onGpu.sweep !== sweep) {
      gl.bindBuffer(gl.ARRAY_BUFFER, onGpu.points);
      gl.bufferData(gl.ARRAY_BUFFER, sweep.points, gl.DYNAMIC_DRAW);
      onGpu.sweep = sweep;
      onGpu.mapVersion = -1;
    }
    if (onGpu.mapVersion === map.version) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, onGpu.tracks);
    if (map.changed && onGpu.mapVersion === map.before) {
      const [first, end] = map.changed;
      gl.bufferSubData(gl.ARRAY_BUFFER, first * 2, map.tracks, first, end - first);
    } else {
      gl.bufferData(gl.ARRAY_BUFFER, map.tracks, gl.DYNAMIC_DRAW);
    }
    onGpu.mapVersion = map.version;
  }

  private sweepOf(sensor: number): SweepOnGpu {
    const { gl } = this;
    const known = this.sweeps.get(sensor);
    if (known) return known;
    const onGpu: SweepOnGpu = {
      points: gl.createBuffer(),
      tracks: gl.createBuffer(),
      array: gl.createVertexArray(),
      sweep: null,
      mapVersion: -1,
    };
    gl.bindVertexArray(onGpu.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, onGpu.points);
    gl.enableVertexAttribArray(POINT);
    gl.vertexAttribPointer(POINT, 4, gl.UNSIGNED_SHORT, false, 8, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, onGpu.tracks);
    gl.enableVertexAttribArray(TRACK);
    gl.vertexAttribPointer(TRACK, 1, gl.UNSIGNED_SHORT, false, 2, 0);
    this.sweeps.set(sensor, onGpu);
    return onGpu;
  }
}

function lensOf({ intrinsics }: Camera): Float32Array {
  const lens = new Float32Array(9);
  lens.set(intrinsics.slice(0, 9));
  return lens;
}
