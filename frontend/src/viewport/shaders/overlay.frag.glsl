#version 300 es
precision highp float;

in vec3 colour;
out vec4 shown;

void main() {
  vec2 offset = gl_PointCoord - 0.5;
  if (dot(offset, offset) > 0.25) discard;
  shown = vec4(colour, 1.0);
}
