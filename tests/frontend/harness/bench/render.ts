import type { DecodedSweep } from "@/assets/SweepDecoder";
import { CloudRenderer } from "@/viewport/CloudRenderer";
import { LUT_WIDTH } from "@/viewport/LutTexels";
import { OrbitCamera } from "@/viewport/OrbitCamera";
import { Picker } from "@/viewport/Picker";
import { PointCloudLayer } from "@/viewport/PointCloudLayer";
import { finish, inTurn, OFTEN, often, perOne, type Times } from "./timing";

/** A made-up sweep: points on rings, like a scan, as many as are wanted. */
function rings(count: number): DecodedSweep {
  const points = new Uint16Array(count * 4);
  for (let index = 0; index < count; index++) {
    const angle = index * 0.0024;
    const radius = (index * 7919) % 16000;
    points[index * 4] = 16000 + radius * Math.cos(angle);
    points[index * 4 + 1] = 16000 + radius * Math.sin(angle);
    points[index * 4 + 2] = (index * 31) % 600;
    points[index * 4 + 3] = index & 255;
  }
  return {
    pointCount: count,
    points,
    lowCorner: [-80, -80, 0],
    stepM: 0.005,
    intensityTop: 1,
    hasElongation: false,
  };
}

/** Hover pick, recolouring one object and a whole drawing, with `count` points on the screen. */
export async function render(count: number, repetitions: number): Promise<Times> {
  const container = document.getElementById("cloud")!;
  const cloud = new CloudRenderer(container);
  const lut = new Uint8Array(LUT_WIDTH * LUT_WIDTH * 4).fill(200);
  const layer = new PointCloudLayer(lut);
  cloud.addPoints(layer.object);
  cloud.setSize(1280, 800);
  const tracks = new Uint16Array(count).map((_, index) => (index >> 6) % 200);
  layer.setSweep(0, rings(count), { tracks, version: 1, before: -1, changed: null });
  layer.setLook({
    sizePx: 2,
    nearness: 25,
    colourBy: "object",
    labelShare: 1,
    hoveredTrack: null,
    selectedTrack: null,
  });
  const picker = new Picker(cloud.renderer, cloud.target);
  const orbit = new OrbitCamera();
  const gl = cloud.renderer.getContext() as WebGL2RenderingContext;
  const draw = (): void => {
    cloud.drawPoints(orbit);
    cloud.drawCanvas();
    finish(gl);
  };
  draw();
  let hits = 0;
  const quick = await inTurn(
    {
      pick: often(() => void (picker.pick(640, 400) && hits++)),
      recolour: often(() => {
        lut[7 * 4] = (lut[7 * 4]! + 1) & 255;
        layer.updateLut(cloud.renderer, [[7, 8]]);
        finish(gl);
      }),
    },
    repetitions,
  );
  const slow = await inTurn({ draw }, Math.min(5, repetitions));
  layer.dispose();
  cloud.dispose();
  if (hits === 0) throw new Error("the pick has hit nothing: this would measure an empty screen");
  return { ...perOne(quick, OFTEN), ...slow };
}
