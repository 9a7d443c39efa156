import type { DecodedImage } from "@/assets/imageDecoding";
import type { Camera } from "@/geometry/projection";
import type { Matrix4 } from "@/geometry/transforms";
import { makeProgram, makeTexture, uniformsOf } from "./gl";
import type { LabelMap } from "./LabelMaps";
import { LUT_WIDTH, type LutTexels, rowsOfRun } from "./LutTexels";
import { LabelTexture, PictureTexture } from "./PictureTextures";
import type { PictureView } from "./PictureView";
import { type OverlaySweep, SweepOverlay } from "./SweepOverlay";
import pictureFragment from "./shaders/picture.frag.glsl?raw";
import pictureVertex from "./shaders/picture.vert.glsl?raw";

const CORNER = 0;
const NOBODY = 0xfffffff; // no pixel has this track

/** What one pane wants to see. */
export interface PictureToDraw {
  sensor: number;
  camera: Camera;
  view: PictureView;
  pixelRatio: number;
  image: DecodedImage | null;
  labels: LabelMap | null;
  opacity: number;
  selectedTrack: number | null;
  hoveredTrack: number | null;
  cameraFromEgo: Matrix4;
  sweeps: OverlaySweep[]; // points to be drawn over the picture
  pointSize: number; // CSS pixels
}

/**
 * Draws the pictures of all cameras with one WebGL context, so that a sweep and the colours are on
 * the GPU once and not once a camera. Panes copy what was drawn for them into their own canvas.
 */
export class PictureRenderer {
  readonly canvas = document.createElement("canvas");
  private readonly gl: WebGL2RenderingContext;
  private readonly program: WebGLProgram;
  private readonly uniform;
  private readonly overlay: SweepOverlay;
  private readonly lutTexture: WebGLTexture;
  private readonly corners: WebGLVertexArrayObject;
  private readonly pictures = new Map<number, PictureTexture>();
  private readonly labels = new Map<number, LabelTexture>();
  private readonly stop: () => void;

  constructor(private readonly lut: LutTexels) {
    const gl = this.canvas.getContext("webgl2", { alpha: false, antialias: false });
    if (!gl) throw new Error("this browser offers no WebGL 2: switch on graphics acceleration");
    this.gl = gl;
    this.program = makeProgram(gl, pictureVertex, pictureFragment, { corner: CORNER });
    this.uniform = uniformsOf(gl, this.program);
    this.overlay = new SweepOverlay(gl);
    this.corners = this.makeCorners();
    this.lutTexture = makeTexture(gl, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, LUT_WIDTH, LUT_WIDTH);
    this.updateLut([[0, LUT_WIDTH * LUT_WIDTH]]);
    this.stop = lut.changed.on((runs) => this.updateLut(runs));
  }

  /** Draw into the top left of `canvas`; width and height in device pixels. */
  draw(wanted: PictureToDraw, width: number, height: number): void {
    const { gl } = this;
    if (this.canvas.width < width) this.canvas.width = width;
    if (this.canvas.height < height) this.canvas.height = height;
    const bottom = this.canvas.height - height;
    gl.viewport(0, bottom, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, bottom, width, height);
    gl.enable(gl.DEPTH_TEST);
    gl.clearColor(0.055, 0.062, 0.075, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const clip = clipFromPixel(wanted.view, wanted.pixelRatio, width, height);
    this.drawPicture(wanted, clip);
    if (!wanted.sweeps.length) return;
    this.overlay.draw(wanted.sweeps, {
      camera: wanted.camera,
      cameraFromEgo: wanted.cameraFromEgo,
      clipFromPixel: clip,
      sizePx: wanted.pointSize * wanted.pixelRatio,
      lut: this.lutTexture,
    });
  }

  /** The graphics driver has taken the context away; a new renderer gets a new one. */
  get isLost(): boolean {
    return this.gl.isContextLost();
  }

  dispose(): void {
    this.stop();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private makeCorners(): WebGLVertexArrayObject {
    const { gl } = this;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(CORNER);
    gl.vertexAttribPointer(CORNER, 2, gl.FLOAT, false, 0, 0);
    gl.bindVertexArray(null);
    return array;
  }

  private updateLut(runs: [number, number][]): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.lutTexture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    const [format, type] = [gl.RGBA, gl.UNSIGNED_BYTE];
    for (const { column, row, width, height } of runs.flatMap(rowsOfRun)) {
      const from = (row * LUT_WIDTH + column) * 4;
      const { rgba } = this.lut;
      gl.texSubImage2D(gl.TEXTURE_2D, 0, column, row, width, height, format, type, rgba, from);
    }
  }

  private drawPicture(wanted: PictureToDraw, clip: readonly number[]): void {
    const { gl, uniform } = this;
    const { camera, labels, view } = wanted;
    const picture = this.pictureOf(wanted.sensor);
    const labelTexture = this.labelsOf(wanted.sensor, camera);
    gl.activeTexture(gl.TEXTURE0);
    picture.set(wanted.image);
    if (labels) labelTexture.set(labels);
    gl.useProgram(this.program);
    picture.bind(0);
    labelTexture.bind(3);
    gl.activeTexture(gl.TEXTURE4);
    gl.bindTexture(gl.TEXTURE_2D, this.lutTexture);
    ["luma", "cb", "cr", "labels", "lut"].forEach((name, unit) => {
      gl.uniform1i(uniform(name), unit);
    });
    gl.uniform1i(uniform("format"), picture.format);
    gl.uniform1i(uniform("hasLabels"), labels ? 1 : 0);
    gl.uniform2f(uniform("pictureSize"), camera.widthPx, camera.heightPx);
    gl.uniform4fv(uniform("screenFromPixel"), clip);
    gl.uniform1f(uniform("opacity"), wanted.opacity);
    gl.uniform1f(uniform("outlinePx"), Math.max(1, 1 / (view.scale * wanted.pixelRatio)));
    gl.uniform1ui(uniform("selectedTrack"), wanted.selectedTrack ?? NOBODY);
    gl.uniform1ui(uniform("hoveredTrack"), wanted.hoveredTrack ?? NOBODY);
    gl.bindVertexArray(this.corners);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.bindVertexArray(null);
  }

  private pictureOf(sensor: number): PictureTexture {
    const known = this.pictures.get(sensor) ?? new PictureTexture(this.gl);
    this.pictures.set(sensor, known);
    return known;
  }

  private labelsOf(sensor: number, { widthPx, heightPx }: Camera): LabelTexture {
    const known = this.labels.get(sensor) ?? new LabelTexture(this.gl, widthPx, heightPx);
    this.labels.set(sensor, known);
    return known;
  }
}

/** Scale and offset from picture pixels to clip coordinates: x * [0] + [2], y * [1] + [3]. */
function clipFromPixel(
  view: PictureView,
  pixelRatio: number,
  width: number,
  height: number,
): [number, number, number, number] {
  const [x, y] = view.screenAt(0, 0);
  const scale = view.scale * pixelRatio;
  return [
    (2 * scale) / width,
    (-2 * scale) / height,
    (2 * x * pixelRatio) / width - 1,
    1 - (2 * y * pixelRatio) / height,
  ];
}
