import { type DecodedImage, isPlanes } from "@/assets/imageDecoding";
import { changedBox } from "@/geometry/masks";
import { makeTexture } from "./gl";
import type { LabelMap } from "./LabelMaps";

/** One camera's picture on the GPU: three planes where the decoder gave planes, else RGBA. */
export class PictureTexture {
  /** As picture.frag.glsl counts: 0 nothing, 1 RGBA, 2 full-range, 3 video-range YCbCr. */
  format = 0;
  private image: DecodedImage | null = null;
  private readonly planes: WebGLTexture[];

  constructor(private readonly gl: WebGL2RenderingContext) {
    this.planes = [0, 1, 2].map(() => makeTexture(gl, gl.LINEAR));
  }

  set(image: DecodedImage | null): void {
    if (image === this.image) return;
    this.image = image;
    if (!image) {
      this.format = 0;
      return;
    }
    const { gl } = this;
    const { widthPx, heightPx, pixels } = image;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    if (isPlanes(pixels)) {
      this.format = pixels.isFullRange ? 2 : 3;
      this.upload(0, widthPx, heightPx, pixels.luma);
      this.upload(1, pixels.chromaWidthPx, pixels.chromaHeightPx, pixels.cb);
      this.upload(2, pixels.chromaWidthPx, pixels.chromaHeightPx, pixels.cr);
    } else {
      this.format = 1;
      gl.bindTexture(gl.TEXTURE_2D, this.planes[0]!);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    }
  }

  bind(firstUnit: number): void {
    const { gl } = this;
    this.planes.forEach((plane, index) => {
      gl.activeTexture(gl.TEXTURE0 + firstUnit + index);
      gl.bindTexture(gl.TEXTURE_2D, plane);
    });
  }

  private upload(plane: number, width: number, height: number, bytes: Uint8Array): void {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.planes[plane]!);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, width, height, 0, gl.RED, gl.UNSIGNED_BYTE, bytes);
  }
}

/** Whose each pixel of a camera is, on the GPU. A changed mask re-sends the box around it. */
export class LabelTexture {
  private readonly texture: WebGLTexture;
  private uploaded: LabelMap | null = null;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly width: number,
    private readonly height: number,
  ) {
    this.texture = makeTexture(gl, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16UI, width, height);
  }

  set(map: LabelMap): void {
    if (this.uploaded?.version === map.version) return;
    const { gl, width, height } = this;
    const isNext = this.uploaded !== null && map.before === this.uploaded.version;
    const box = isNext
      ? changedBox(this.uploaded!.tracks, map.tracks, width)
      : { u: 0, v: 0, width, height };
    this.uploaded = map;
    if (!box) return;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, width);
    const { u, v, width: w, height: h } = box;
    const from = v * width + u;
    gl.texSubImage2D(
      gl.TEXTURE_2D,
      0,
      u,
      v,
      w,
      h,
      gl.RED_INTEGER,
      gl.UNSIGNED_SHORT,
      map.tracks,
      from,
    );
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, 0);
  }

  bind(unit: number): void {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.texture);
  }
}
