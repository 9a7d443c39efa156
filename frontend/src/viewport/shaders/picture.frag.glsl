#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;

in vec2 pixel;
uniform vec2 pictureSize;
uniform sampler2D luma;     // or RGBA
uniform sampler2D cb;
uniform sampler2D cr;
uniform int format;         // 0 nothing yet, 1 RGBA, 2 YCbCr full range, 3 YCbCr video range
uniform usampler2D labels;  // the track of each pixel, of the camera's full size
uniform bool hasLabels;
uniform sampler2D lut;
uniform float opacity;
uniform float outlinePx;    // picture pixels in one screen pixel, at least 1
uniform uint selectedTrack;
uniform uint hoveredTrack;
out vec4 shown;

const uint NO_TRACK = 65535u;

vec3 picture(vec2 where) {
  if (format == 0) return vec3(0.09, 0.10, 0.12);
  vec4 first = texture(luma, where);
  if (format == 1) return first.rgb;
  float y = first.r;
  vec2 chroma = vec2(texture(cb, where).r, texture(cr, where).r) - 128.0 / 255.0;
  if (format == 3) {
    y = (y - 16.0 / 255.0) * (255.0 / 219.0);
    chroma *= 255.0 / 224.0;
  }
  // BT.601, as JFIF prescribes.
  return vec3(
    y + 1.402 * chroma.y,
    y - 0.344136 * chroma.x - 0.714136 * chroma.y,
    y + 1.772 * chroma.x);
}

uint trackAt(vec2 at) {
  return texelFetch(labels, ivec2(clamp(at, vec2(0.0), pictureSize - 1.0)), 0).r;
}

vec4 paintOf(uint track) {
  if (track == NO_TRACK) return vec4(0.0);
  return texelFetch(lut, ivec2(int(track & 255u), int(track >> 8)), 0);
}

// Whether a pixel within `reach` belongs to somebody else.
bool isEdge(uint track, float reach) {
  return trackAt(pixel + vec2(reach, 0.0)) != track || trackAt(pixel - vec2(reach, 0.0)) != track
      || trackAt(pixel + vec2(0.0, reach)) != track || trackAt(pixel - vec2(0.0, reach)) != track;
}

void main() {
  vec3 colour = picture(pixel / pictureSize);
  if (hasLabels) {
    uint track = trackAt(pixel);
    vec4 paint = paintOf(track);
    if (paint.a > 0.0) {
      bool selected = track == selectedTrack;
      float fill = opacity * paint.a * (track == hoveredTrack && !selected ? 1.35 : 1.0);
      colour = mix(colour, paint.rgb, min(fill, 0.92));
      if (selected) {
        if (isEdge(track, outlinePx * 2.5)) colour = paint.rgb;
        if (isEdge(track, outlinePx * 1.3)) colour = vec3(1.0);
      } else if (isEdge(track, outlinePx)) {
        colour = mix(paint.rgb, vec3(1.0), 0.15);
      }
    }
  }
  shown = vec4(colour, 1.0);
}
