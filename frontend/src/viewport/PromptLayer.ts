import { BufferAttribute, BufferGeometry, GLSL3, Points, RawShaderMaterial } from "three";
import type { Layer } from "./Layer";
import type { PromptMark } from "./sources";

const VERTEX = `precision highp float;
in vec3 position;
in float kind;
uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform float sizePx;
flat out float mark;
void main() {
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  gl_PointSize = sizePx;
  mark = kind;
}`;

// A disc with a light rim: green with a plus, red with a minus, amber with a bar for an issue; hollow
// while it is pending.
const FRAGMENT = `precision highp float;
flat in float mark;
out vec4 shown;
void main() {
  vec2 at = 2.0 * gl_PointCoord - 1.0;
  float radius = length(at);
  if (radius > 1.0) discard;
  bool positive = mark > 0.0;
  bool issue = mark > 2.5;
  bool pending = issue ? mark > 3.5 : abs(mark) > 1.5;
  vec3 fill = issue ? vec3(0.85, 0.55, 0.05)
            : positive ? vec3(0.10, 0.62, 0.28) : vec3(0.80, 0.16, 0.16);
  bool sign = (!issue && abs(at.y) < 0.14 && abs(at.x) < 0.5)
           || (positive && abs(at.x) < 0.14 && abs(at.y) < 0.5);
  vec3 rgb = radius > 0.78 || sign ? vec3(1.0) : fill;
  float alpha = pending && radius < 0.6 && !sign ? 0.25 : 1.0;
  shown = vec4(rgb, alpha);
}`;

/** The clicks in the cloud that the model was, or is being, asked with, and the pins of issues. */
export class PromptLayer implements Layer {
  readonly object: Points<BufferGeometry, RawShaderMaterial>;

  constructor(
    private readonly marks: () => readonly PromptMark[],
    private readonly isLidar: (sensor: number) => boolean,
    pixelRatio: number,
  ) {
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { sizePx: { value: 15 * pixelRatio } },
      transparent: true,
      depthTest: false, // a click stays in sight behind what has come before it
    });
    this.object = new Points(new BufferGeometry(), material);
    this.object.frustumCulled = false;
    this.object.renderOrder = 10;
  }

  update(frame: number): void {
    const here = this.marks().filter((mark) => mark.frame === frame && this.isLidar(mark.sensor));
    const positions = here.flatMap(({ position }) => [...position]);
    const kinds = here.map(({ positive, pending, isIssue }) => {
      if (isIssue) return pending ? 4 : 3;
      return (positive ? 1 : -1) * (pending ? 2 : 1);
    });
    this.object.geometry.dispose();
    this.object.geometry = new BufferGeometry();
    this.object.geometry.setAttribute(
      "position",
      new BufferAttribute(new Float32Array(positions), 3),
    );
    this.object.geometry.setAttribute("kind", new BufferAttribute(new Float32Array(kinds), 1));
    this.object.visible = here.length > 0;
  }

  dispose(): void {
    this.object.geometry.dispose();
    this.object.material.dispose();
  }
}
