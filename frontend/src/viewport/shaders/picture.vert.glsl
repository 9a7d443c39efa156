#version 300 es
precision highp float;

// Two triangles that cover the picture; `corner` runs from (0, 0), its top left, to (1, 1).
in vec2 corner;
uniform vec2 pictureSize;     // pixels of the camera
uniform vec4 screenFromPixel; // to clip coordinates: xy * pixel + zw
out vec2 pixel;

void main() {
  pixel = corner * pictureSize;
  gl_Position = vec4(pixel * screenFromPixel.xy + screenFromPixel.zw, 0.999, 1.0);
}
