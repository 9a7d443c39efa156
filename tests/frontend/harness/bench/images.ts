import { DecoderPool } from "@/assets/DecoderPool";
import { isPlanes } from "@/assets/imageDecoding";
import { PictureTexture } from "@/viewport/PictureTextures";
import { fetched, finish, inTurn, type Times } from "./timing";

/**
 * The pictures of one frame, decoded and on the GPU: our road (workers, planes where the browser
 * gives them), and what a usual viewer does with createImageBitmap. All at once, both.
 */
export async function images(cameras: number, repetitions: number): Promise<Times> {
  const names = Array.from({ length: cameras }, (_, camera) => `image_0_${camera}`);
  const jpegs = await Promise.all(names.map(fetched));
  const gl = document.createElement("canvas").getContext("webgl2")!;
  const textures = jpegs.map(() => new PictureTexture(gl));
  const decoders = new DecoderPool();
  const usual = jpegs.map(() => gl.createTexture());
  const all = async (road: (jpeg: Uint8Array, camera: number) => Promise<void>): Promise<void> => {
    await Promise.all(jpegs.map(road));
    finish(gl);
  };
  const times = await inTurn(
    {
      ours: () =>
        all(async (jpeg, camera) => {
          const { value, bytes } = await decoders.decode("image", jpeg);
          jpegs[camera] = bytes;
          if (!isPlanes(value.pixels)) throw new Error("this browser gives no planes of a JPEG");
          textures[camera]!.set(value);
        }),
      bitmap: () =>
        all(async (jpeg, camera) => {
          const bitmap = await createImageBitmap(new Blob([jpeg as BlobPart]));
          gl.bindTexture(gl.TEXTURE_2D, usual[camera]!);
          gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
          bitmap.close();
        }),
    },
    repetitions,
  );
  decoders.close();
  return times;
}
