precision highp float;
precision highp int;

// A point as it travels: x, y, z in steps from the low corner, intensity + 256 * elongation.
in vec4 point;
in float track;

uniform mat4 modelViewMatrix;
uniform mat4 projectionMatrix;
uniform vec3 lowCorner;
uniform float stepM;
uniform float slot;       // which sweep this is, for picking
uniform float sizePx;
uniform float nearness;   // distance at which a point has just that size; 0: always
uniform int colourBy;     // 0 height, 1 intensity, 2 object
uniform float labelShare; // of the object's colour, over the other two
uniform float hoveredTrack;
uniform float selectedTrack;
uniform sampler2D lut;

out vec3 colour;
flat out vec4 identity;

const float NO_TRACK = 65535.0;

// Dark blue over teal to a pale sand: no hue that objects have, brightness grows all the way.
vec3 heightRamp(float z) {
  float t = clamp((z + 0.6) / 5.0, 0.0, 1.0);
  vec3 low = mix(vec3(0.20, 0.27, 0.42), vec3(0.24, 0.50, 0.58), smoothstep(0.0, 0.35, t));
  vec3 high = mix(low, vec3(0.58, 0.68, 0.62), smoothstep(0.25, 0.65, t));
  return mix(high, vec3(0.90, 0.86, 0.72), smoothstep(0.6, 1.0, t));
}

void main() {
  vec3 ego = lowCorner + stepM * point.xyz;
  vec4 view = modelViewMatrix * vec4(ego, 1.0);
  gl_Position = projectionMatrix * view;

  float intensity = mod(point.w, 256.0) / 255.0;
  vec3 base = colourBy == 0 ? heightRamp(ego.z) * (0.75 + 0.4 * intensity)
            : colourBy == 1 ? mix(vec3(0.16, 0.18, 0.22), vec3(0.98, 0.96, 0.90), intensity)
            : vec3(0.30, 0.32, 0.36) * (0.7 + 0.6 * intensity);

  float emphasis = 0.0;
  colour = base;
  if (track != NO_TRACK) {
    int number = int(track);
    vec4 paint = texelFetch(lut, ivec2(number & 255, number >> 8), 0);
    if (paint.a > 0.0) {
      emphasis = track == selectedTrack ? 1.0 : track == hoveredTrack ? 0.6 : 0.0;
      float share = colourBy == 2 ? 1.0 : max(labelShare, emphasis);
      // A little of the intensity stays visible, so that a flat colour keeps its surface.
      colour = mix(base, paint.rgb * (0.8 + 0.3 * intensity), share * paint.a);
      colour = mix(colour, vec3(1.0), 0.22 * emphasis);
    }
  }

  float nearer = nearness > 0.0 ? clamp(nearness / max(-view.z, 0.1), 0.8, 2.6) : 1.0;
  gl_PointSize = sizePx * nearer * (1.0 + 0.3 * emphasis);

  int index = gl_VertexID + 1;
  identity = vec4(index & 255, (index >> 8) & 255, (index >> 16) & 255, slot) / 255.0;
}
