#version 300 es
precision highp float;
precision highp int;

// Points of a sweep over a picture: the camera model of geometry/projection.ts.
in vec4 point;
in float track;
uniform vec3 lowCorner;
uniform float stepM;
uniform mat4 cameraFromEgo;
uniform float lens[9]; // fx fy cx cy k1 k2 p1 p2 k3
uniform vec2 pictureSize;
uniform vec4 screenFromPixel;
uniform float sizePx;
uniform sampler2D lut;
out vec3 colour;

const float NO_TRACK = 65535.0;

// Warm near, cold far: 2 to 80 m, in equal steps of the logarithm.
vec3 depthRamp(float metres) {
  float t = clamp(log2(max(metres, 2.0) / 2.0) / 5.3, 0.0, 1.0);
  vec3 near = mix(vec3(1.0, 0.86, 0.36), vec3(0.92, 0.42, 0.38), smoothstep(0.0, 0.4, t));
  vec3 middle = mix(near, vec3(0.56, 0.36, 0.78), smoothstep(0.35, 0.7, t));
  return mix(middle, vec3(0.26, 0.46, 0.92), smoothstep(0.65, 1.0, t));
}

void main() {
  vec3 at = (cameraFromEgo * vec4(lowCorner + stepM * point.xyz, 1.0)).xyz;
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0); // out of sight, until it is known to be in view
  gl_PointSize = 1.0;
  colour = vec3(0.0);
  if (at.z <= 0.001) return;
  vec2 p = at.xy / at.z;
  float r2 = dot(p, p);
  float radial = 1.0 + r2 * (lens[4] + r2 * (lens[5] + r2 * lens[8]));
  bool isDistorted = lens[4] != 0.0 || lens[5] != 0.0 || lens[6] != 0.0 || lens[7] != 0.0
                  || lens[8] != 0.0;
  if (isDistorted && (radial <= 0.8 || radial >= 1.2)) return;
  vec2 bent = p * radial + vec2(
    2.0 * lens[6] * p.x * p.y + lens[7] * (r2 + 2.0 * p.x * p.x),
    lens[6] * (r2 + 2.0 * p.y * p.y) + 2.0 * lens[7] * p.x * p.y);
  vec2 pixel = vec2(lens[0], lens[1]) * bent + vec2(lens[2], lens[3]);
  if (any(lessThan(pixel, vec2(0.0))) || any(greaterThanEqual(pixel, pictureSize))) return;

  colour = depthRamp(at.z);
  if (track != NO_TRACK) {
    int number = int(track);
    vec4 paint = texelFetch(lut, ivec2(number & 255, number >> 8), 0);
    if (paint.a > 0.0) colour = paint.rgb;
  }
  float depth = clamp(at.z / 250.0, 0.0, 0.99);
  gl_Position = vec4(pixel * screenFromPixel.xy + screenFromPixel.zw, depth, 1.0);
  gl_PointSize = sizePx;
}
