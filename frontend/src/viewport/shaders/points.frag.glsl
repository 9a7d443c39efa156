precision highp float;

in vec3 colour;
flat in vec4 identity;

layout(location = 0) out vec4 shown;
layout(location = 1) out vec4 picked;

void main() {
  vec2 offset = gl_PointCoord - 0.5;
  if (dot(offset, offset) > 0.25) discard;
  shown = vec4(colour, 1.0);
  picked = identity;
}
