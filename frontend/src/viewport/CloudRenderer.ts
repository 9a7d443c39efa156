import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DepthTexture,
  GLSL3,
  Group,
  LinearSRGBColorSpace,
  Mesh,
  type Object3D,
  OrthographicCamera,
  PerspectiveCamera,
  RawShaderMaterial,
  Scene,
  UnsignedIntType,
  Vector2,
  Vector3,
  WebGLRenderer,
  WebGLRenderTarget,
} from "three";
import { FIELD_OF_VIEW, type OrbitCamera } from "./OrbitCamera";
import compositeFragment from "./shaders/composite.frag.glsl?raw";
import compositeVertex from "./shaders/composite.vert.glsl?raw";

const BACKGROUND = new Color().setRGB(0.055, 0.062, 0.075);
const NEAR_M = 0.3;
const FAR_M = 1200;
const MOST_PIXEL_RATIO = 2;

/**
 * Draws the cloud in two steps. Points go into a target of their own, with an id for each pixel;
 * then their picture, shaded by depth, and the lines go to the canvas. Lines can thus be
 * antialiased and translucent, never disturb the ids, and are redrawn without the points.
 */
export class CloudRenderer {
  readonly renderer: WebGLRenderer;
  readonly target: WebGLRenderTarget;
  readonly pixelRatio = Math.min(MOST_PIXEL_RATIO, window.devicePixelRatio || 1);
  private readonly points = new Scene();
  private readonly lines = new Scene();
  private readonly composite: Mesh<BufferGeometry, RawShaderMaterial>;
  private readonly perspective = new PerspectiveCamera();
  private readonly orthographic = new OrthographicCamera();
  private camera: PerspectiveCamera | OrthographicCamera = this.perspective;

  constructor(container: HTMLElement) {
    this.renderer = new WebGLRenderer({ antialias: true, powerPreference: "high-performance" });
    this.renderer.setPixelRatio(this.pixelRatio);
    this.renderer.autoClear = false;
    this.renderer.outputColorSpace = LinearSRGBColorSpace; // our colours are the screen's own
    const canvas = this.renderer.domElement;
    canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;display:block";
    container.append(canvas);
    this.target = new WebGLRenderTarget(1, 1, { count: 2, depthBuffer: true });
    this.target.depthTexture = new DepthTexture(1, 1, UnsignedIntType);
    for (const texture of this.target.textures) texture.generateMipmaps = false;
    this.composite = this.makeComposite();
    this.lines.add(this.composite);
  }

  addPoints(object: Object3D): void {
    this.points.add(object);
  }

  addLines(object: Object3D): void {
    const group = new Group();
    group.add(object);
    this.lines.add(group);
  }

  /** Width and height in CSS pixels. */
  setSize(width: number, height: number): void {
    this.renderer.setSize(width, height, false);
    this.target.setSize(
      Math.max(1, Math.round(width * this.pixelRatio)),
      Math.max(1, Math.round(height * this.pixelRatio)),
    );
  }

  drawPoints(orbit: OrbitCamera): void {
    this.aim(orbit);
    this.renderer.setRenderTarget(this.target);
    this.renderer.setClearColor(0x000000, 0);
    this.renderer.clear();
    this.renderer.render(this.points, this.camera);
    this.renderer.setRenderTarget(null);
  }

  drawCanvas(): void {
    const { uniforms } = this.composite.material;
    uniforms.texel!.value.set(1 / this.target.width, 1 / this.target.height);
    uniforms.nearFar!.value.set(this.camera.near, this.camera.far);
    uniforms.isOrthographic!.value = this.camera === this.orthographic;
    this.renderer.setRenderTarget(null);
    this.renderer.clear();
    this.renderer.render(this.lines, this.camera);
  }

  dispose(): void {
    this.composite.geometry.dispose();
    this.composite.material.dispose();
    this.target.depthTexture?.dispose();
    this.target.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.renderer.domElement.remove();
  }

  private aim(orbit: OrbitCamera): void {
    const aspect = this.target.width / this.target.height;
    const halfHeight = orbit.distance * Math.tan(FIELD_OF_VIEW / 2);
    if (orbit.isOrthographic) {
      const { orthographic: camera } = this;
      [camera.top, camera.bottom] = [halfHeight, -halfHeight];
      [camera.left, camera.right] = [-halfHeight * aspect, halfHeight * aspect];
      this.camera = camera;
    } else {
      this.perspective.fov = (FIELD_OF_VIEW * 180) / Math.PI;
      this.perspective.aspect = aspect;
      this.camera = this.perspective;
    }
    this.camera.near = NEAR_M;
    this.camera.far = FAR_M;
    this.camera.updateProjectionMatrix();
    this.camera.matrixAutoUpdate = false;
    this.camera.matrix.fromArray(orbit.egoFromView()).transpose(); // ours is row-major
    this.camera.matrixWorldNeedsUpdate = true;
    this.camera.updateMatrixWorld(true);
  }

  private makeComposite(): Mesh<BufferGeometry, RawShaderMaterial> {
    const geometry = new BufferGeometry();
    // One triangle that covers the screen.
    geometry.setAttribute(
      "corner",
      new BufferAttribute(new Float32Array([-1, -1, 3, -1, -1, 3]), 2),
    );
    geometry.setDrawRange(0, 3);
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: compositeVertex,
      fragmentShader: compositeFragment,
      uniforms: {
        colourMap: { value: this.target.textures[0] },
        depthMap: { value: this.target.depthTexture },
        texel: { value: new Vector2() },
        nearFar: { value: new Vector2() },
        isOrthographic: { value: false },
        background: { value: new Vector3(BACKGROUND.r, BACKGROUND.g, BACKGROUND.b) },
      },
      depthTest: true,
      depthWrite: true,
    });
    const mesh = new Mesh(geometry, material);
    mesh.frustumCulled = false;
    mesh.renderOrder = -10;
    return mesh;
  }
}
