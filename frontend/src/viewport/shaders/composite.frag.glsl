precision highp float;
precision highp sampler2D;

// The points' picture, shaded by depth (eye-dome lighting: a pixel darkens by how much its
// neighbours are nearer), and their depth, so that lines drawn later hide behind points.
in vec2 at;
uniform sampler2D colourMap;
uniform sampler2D depthMap;
uniform vec2 texel;
uniform vec2 nearFar;
uniform bool isOrthographic;
uniform vec3 background;
out vec4 shown;

float logDistance(vec2 where) {
  float depth = texture(depthMap, where).r;
  float n = nearFar.x, f = nearFar.y;
  float metres = isOrthographic ? n + depth * (f - n) : n * f / (f - depth * (f - n));
  return log2(metres);
}

void main() {
  float depth = texture(depthMap, at).r;
  gl_FragDepth = depth;
  if (depth == 1.0) {
    shown = vec4(background, 1.0);
    return;
  }
  float here = logDistance(at);
  vec2 reach = 1.5 * texel;
  float nearer = 0.0;
  nearer += max(0.0, here - logDistance(at + vec2(reach.x, 0.0)));
  nearer += max(0.0, here - logDistance(at - vec2(reach.x, 0.0)));
  nearer += max(0.0, here - logDistance(at + vec2(0.0, reach.y)));
  nearer += max(0.0, here - logDistance(at - vec2(0.0, reach.y)));
  float shade = exp(-min(nearer, 1.0) * (isOrthographic ? 0.0 : 3.0));
  shown = vec4(texture(colourMap, at).rgb * mix(0.45, 1.0, shade), 1.0);
}
