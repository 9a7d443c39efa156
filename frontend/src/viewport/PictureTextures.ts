import { type DecodedImage, isPlanes } from "@/assets/imageDecoding";
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

/** Whose each pixel of a camera is, on the GPU. A changed mask re-sends the rows that it is in. */
export class LabelTexture {
  private readonly texture: WebGLTexture;
  private version = 0; // of the map that is there; no map has 0

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly width: number,
    height: number,
  ) {
    this.texture = makeTexture(gl, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16UI, width, height);
  }

  set({ tracks, version, before, changed }: LabelMap): void {
    if (this.version === version) return;
    const { gl, width } = this;
    const [first, end] = changed && this.version === before ? changed : [0, tracks.length];
    this.version = version;
    const top = Math.floor(first / width);
    const bottom = Math.ceil(end / width);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    gl.texSubImage2D(
      gl.TEXTURE_2D,
      0,
      0,
      top,
      width,
      bottom - top,
      gl.RED_INTEGER,
      gl.UNSIGNED_SHORT,
      tracks,
      top * width,
    );
  }

  bind(unit: number): void {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.texture);
  }
}
