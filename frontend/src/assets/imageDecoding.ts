/** A decoded picture. Planes where the browser can give them: half the memory of RGBA. */
export interface DecodedImage {
  widthPx: number; // of these pixels: half the camera's for a proxy
  heightPx: number;
  isProxy: boolean;
  pixels: ImagePlanes | ImageBitmap;
}

/** YCbCr as the JPEG holds it (BT.601); chroma planes may be smaller. */
export interface ImagePlanes {
  luma: Uint8Array;
  cb: Uint8Array;
  cr: Uint8Array;
  chromaWidthPx: number;
  chromaHeightPx: number;
  isFullRange: boolean;
}

export const isPlanes = (pixels: ImagePlanes | ImageBitmap): pixels is ImagePlanes =>
  "luma" in pixels;

export function bytesOfImage({ widthPx, heightPx, pixels }: DecodedImage): number {
  return isPlanes(pixels)
    ? pixels.luma.length + pixels.cb.length + pixels.cr.length
    : widthPx * heightPx * 4;
}

// WebCodecs' ImageDecoder, which TypeScript's own library does not describe yet.
interface ImageDecoderLike {
  decode(): Promise<{ image: VideoFrame }>;
  close(): void;
}
type ImageDecoderClass = new (init: { data: BufferSource; type: string }) => ImageDecoderLike;

// Chroma: horizontal and vertical divisor of each planar 8-bit format.
const PLANAR: Record<string, [number, number]> = { I420: [2, 2], I422: [2, 1], I444: [1, 1] };

/** JPEG or PNG bytes to pixels. Rejects with the browser's own message when they are damaged. */
export async function decodeImage(bytes: Uint8Array, isProxy: boolean): Promise<DecodedImage> {
  const type = bytes[0] === 0x89 ? "image/png" : "image/jpeg";
  const planes = type === "image/jpeg" ? await decodePlanes(bytes, type) : null;
  if (planes) return { ...planes, isProxy };
  const bitmap = await createImageBitmap(new Blob([bytes as BlobPart], { type }));
  return { widthPx: bitmap.width, heightPx: bitmap.height, isProxy, pixels: bitmap };
}

async function decodePlanes(
  bytes: Uint8Array,
  type: string,
): Promise<Omit<DecodedImage, "isProxy"> | null> {
  // Only in secure contexts: elsewhere createImageBitmap does.
  const Decoder = (globalThis as { ImageDecoder?: ImageDecoderClass }).ImageDecoder;
  if (!Decoder) return null;
  const decoder = new Decoder({ data: bytes as BufferSource, type });
  try {
    const { image } = await decoder.decode();
    try {
      return await copyPlanes(image);
    } finally {
      image.close();
    }
  } catch {
    return null; // createImageBitmap reads more, and its error is the one to show
  } finally {
    decoder.close();
  }
}

async function copyPlanes(image: VideoFrame): Promise<Omit<DecodedImage, "isProxy"> | null> {
  const divisors = PLANAR[image.format ?? ""];
  if (!divisors) return null;
  const rect = image.visibleRect!;
  const chromaWidthPx = Math.ceil(rect.width / divisors[0]);
  const chromaHeightPx = Math.ceil(rect.height / divisors[1]);
  const lumaBytes = rect.width * rect.height;
  const chromaBytes = chromaWidthPx * chromaHeightPx;
  const buffer = new Uint8Array(lumaBytes + 2 * chromaBytes);
  await image.copyTo(buffer, {
    layout: [
      { offset: 0, stride: rect.width },
      { offset: lumaBytes, stride: chromaWidthPx },
      { offset: lumaBytes + chromaBytes, stride: chromaWidthPx },
    ],
  });
  return {
    widthPx: rect.width,
    heightPx: rect.height,
    pixels: {
      luma: buffer.subarray(0, lumaBytes),
      cb: buffer.subarray(lumaBytes, lumaBytes + chromaBytes),
      cr: buffer.subarray(lumaBytes + chromaBytes),
      chromaWidthPx,
      chromaHeightPx,
      isFullRange: image.colorSpace.fullRange ?? true,
    },
  };
}
