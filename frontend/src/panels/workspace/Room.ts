import { type CacheStatus, FrameCache } from "@/assets/FrameCache";
import type { Edit, LabelClass, LabelsChanged, Sensor, Track } from "@/protocol/messages";
import { Appearance } from "@/store/Appearance";
import { Emitter } from "@/store/Emitter";
import { Issues } from "@/store/Issues";
import { Jobs } from "@/store/Jobs";
import { LabelDocument } from "@/store/LabelDocument";
import { Prompts } from "@/store/Prompts";
import { SceneInfo } from "@/store/SceneInfo";
import { Selection } from "@/store/Selection";
import { Timeline } from "@/store/Timeline";
import { api } from "@/sync/api";
import { sharePresence } from "@/sync/Presence";
import { newRequestId } from "@/sync/requestId";
import { type Outcome, SceneConnection } from "@/sync/SceneConnection";
import { ClickTool } from "@/tools/ClickTool";
import { IssueTool } from "@/tools/IssueTool";
import { SelectTool } from "@/tools/SelectTool";
import type { ImageViewport } from "@/viewport/ImageViewport";
import type { PointerInput, Tool } from "@/viewport/Tool";
import type { Viewport3D } from "@/viewport/Viewport3D";
import { attempt } from "./attempt";
import { keepClass, lastClass } from "./lastClass";
import { keepLook } from "./look";
import { extentOf, pointsOfTrack } from "./trackExtent";

export interface Toast {
  id: number;
  words: string;
  isBad: boolean;
}

/** What to say of a request when it has ended. */
interface Asked {
  ifRefused: string;
  whenDone?: (news: LabelsChanged | null) => string;
}

const TOAST_MS = 9000;
const LONGEST_FLIGHT_M = 60;

/**
 * One scene that is open in this page: its stores, its two sockets, its tools, and what the
 * person can do there. Panels show it and call it.
 */
export class Room {
  readonly scene = new SceneInfo();
  readonly timeline = new Timeline();
  readonly document = new LabelDocument();
  readonly selection = new Selection();
  readonly appearance = new Appearance();
  readonly prompts = new Prompts();
  readonly jobs = new Jobs();
  readonly issues = new Issues();
  readonly connection: SceneConnection;
  readonly cache: FrameCache;
  readonly toastsChanged = new Emitter<void>();
  toasts: Toast[] = [];
  isJoined = false;
  cacheStatus: CacheStatus = { loaded: [], bytesPerSecond: 0, isConnected: false, error: null };

  // The panes put themselves here while they are on the screen.
  cloud: Viewport3D | null = null;
  readonly pictures = new Map<number, ImageViewport>();

  private readonly clickTool: ClickTool;
  private readonly selectTool: SelectTool;
  private readonly issueTool: IssueTool;
  private readonly stop: (() => void)[];
  private readonly asked = new Map<string, Asked>(); // by request
  private couldEdit = true;
  private nextToast = 1;
  private animation = 0;

  constructor(sceneId: number, startFrame: number) {
    const sockets = `${location.origin.replace(/^http/, "ws")}/ws/scenes/${sceneId}`;
    const { scene, timeline, document, selection, jobs, issues, prompts } = this;
    this.connection = new SceneConnection(`${sockets}/control`, {
      scene,
      timeline,
      document,
      jobs,
      issues,
    });
    this.cache = new FrameCache(`${sockets}/bulk`, scene, timeline, document);
    this.clickTool = new ClickTool({
      scene,
      document,
      selection,
      prompts,
      connection: this.connection,
      tell: (words) => this.tell(words, true),
    });
    this.selectTool = new SelectTool(selection, (input) => this.jump(input));
    this.issueTool = new IssueTool(selection, (draft) => issues.begin(draft));
    this.stop = [
      this.connection.joined.on(() => {
        this.isJoined = true;
        timeline.seek(startFrame);
        selection.set({
          labelClass: lastClass(scene.project, this.offeredClasses()),
          tool: scene.mayEdit ? "click" : "select",
        });
        scene.changed.emit();
      }),
      this.connection.ended.on((outcome) => this.requestEnded(outcome)),
      this.connection.complaint.on((words) => this.tell(words, true)),
      this.cache.status.on((status) => {
        this.cacheStatus = status;
      }),
      scene.changed.on(() => this.followRights()),
      document.changed.on(() => this.dropLostSelection()),
      selection.changed.on((fields) => {
        if (fields.has("tool")) this.handOutTool();
        if (fields.has("labelClass")) keepClass(scene.project, selection.labelClass);
      }),
      timeline.changed.on(({ playing }) => {
        if (playing && !this.animation) this.animate();
      }),
      keepLook(this.appearance),
      sharePresence(this.connection, timeline, selection),
    ];
  }

  /** Ask no more: the scene cannot be had. */
  giveUp(): void {
    this.connection.close();
    this.cache.close();
  }

  dispose(): void {
    cancelAnimationFrame(this.animation);
    for (const stop of this.stop) stop();
    this.clickTool.dispose();
    this.giveUp();
  }

  // --- what there is ---------------------------------------------------------------------------

  get tool(): Tool {
    if (this.selection.tool === "issue") return this.issueTool;
    return this.selection.tool === "click" ? this.clickTool : this.selectTool;
  }

  /** As they stand on the vehicle, from left to right. */
  cameras(): Sensor[] {
    // Row-major: the third column is the camera's z, which is where it looks.
    const heading = ({ ego_from_sensor: m }: Sensor): number => Math.atan2(m[6]!, m[2]!);
    return [...this.scene.sensors.values()]
      .filter(({ kind }) => kind === "camera")
      .sort((a, b) => heading(b) - heading(a) || a.number - b.number);
  }

  labelClasses(): LabelClass[] {
    return [...this.document.labelClasses.values()];
  }

  /** Those that new objects may have; the first nine have the keys 1 to 9. */
  offeredClasses(): LabelClass[] {
    return this.labelClasses().filter(({ is_archived }) => !is_archived);
  }

  /** By class in the project's order, then by number: the order of the list. */
  tracksInOrder(): Track[] {
    const places = new Map(this.labelClasses().map(({ id }, index) => [id, index]));
    const place = ({ label_class }: Track): number => places.get(label_class) ?? places.size;
    return [...this.document.tracks.values()].sort(
      (a, b) => place(a) - place(b) || a.number - b.number,
    );
  }

  nameOf(track: Track): string {
    if (track.name) return track.name;
    const labelClass = this.document.labelClasses.get(track.label_class)?.name ?? "object";
    return track.is_stuff ? labelClass : `${labelClass} ${track.number}`;
  }

  /** A mask or a box in the frame that is shown. */
  isLabelledHere(track: Track): boolean {
    const box = `${track.number}:${this.timeline.frame}`;
    return this.hasMaskHere(track) || this.document.cuboids.has(box);
  }

  hasMaskHere(track: Track): boolean {
    const { frame } = this.timeline;
    return track.mask_frames.some(([first, last]) => first! <= frame && frame <= last!);
  }

  // --- what the person does --------------------------------------------------------------------

  setTool(tool: string): void {
    if (tool === "click" && !this.mayEdit()) return;
    this.selection.set({ tool });
  }

  /** The next click makes a new object of this class. */
  beginObject(labelClass: number | null = this.selection.labelClass): void {
    if (!this.mayEdit()) return;
    this.selection.set({ labelClass, track: null, tool: "click" });
  }

  /** Esc: the question under way, then the object, then the tool. */
  cancel(): void {
    if (this.issues.draft) {
      this.issues.leave();
      return;
    }
    const hadTrack = this.selection.track !== null;
    const clicks = this.prompts.prompts.length;
    this.tool.cancel();
    const hasDone = hadTrack || clicks !== this.prompts.prompts.length;
    if (!hasDone) this.selection.set({ tool: "select" });
  }

  selectNext(step: 1 | -1): void {
    const tracks = this.tracksInOrder();
    if (!tracks.length) return;
    const at = tracks.findIndex(({ number }) => number === this.selection.track);
    const next = at < 0 ? (step > 0 ? 0 : tracks.length - 1) : at + step;
    this.selection.set({ track: tracks.at(next % tracks.length)!.number });
  }

  undo(): void {
    if (!this.mayEdit()) return;
    this.edit({ kind: "undo_last" }, "undo", "Not undone", (news) => this.wordsForUndo(news));
    for (const { id, isBad } of this.toasts) if (!isBad) this.dismiss(id); // what they say is past
  }

  setClassOf(track: number, label_class: number): void {
    if (!this.mayEdit()) return;
    this.edit(
      { kind: "update_track", track, label_class, name: null, draw_order: null },
      "list",
      "The class was not changed",
    );
  }

  deleteMaskHere(): void {
    const track = this.chosenTrack();
    if (!track || !this.mayEdit()) return;
    const { frame } = this.timeline;
    if (!this.hasMaskHere(track)) {
      this.tell(`${this.nameOf(track)} has no mask in frame ${frame}.`);
      return;
    }
    const { number } = track;
    this.edit(
      { kind: "delete_masks", track: number, first_frame: frame, last_frame: frame, sensors: null },
      "delete",
      "The mask was not deleted",
    );
  }

  deleteTrack(track = this.selection.track): void {
    const known = this.chosenTrack(track);
    if (!known || !this.mayEdit()) return;
    this.edit(
      { kind: "delete_track", track: known.number },
      "delete",
      `${this.nameOf(known)} was not deleted`,
    );
    this.tell(`${this.nameOf(known)} is deleted in all frames. Ctrl+Z brings it back.`);
  }

  /** To where an object is followed: the ends of the task, or of the drive beyond it. */
  get followable(): [number, number] {
    return this.scene.spanRound(this.timeline.frame, this.timeline.frameCount);
  }

  /** Follow the selected track from here to `toFrame`, forwards or backwards. */
  follow(toFrame: number): void {
    const track = this.chosenTrack();
    if (!track || !this.mayEdit()) return;
    const { frame, frameCount } = this.timeline;
    const to_frame = Math.max(0, Math.min(frameCount - 1, toFrame));
    if (to_frame === frame) return;
    if (!this.hasMaskHere(track)) {
      const where = `${this.nameOf(track)} has no mask in frame ${frame}`;
      this.tell(`${where} to start from: click it here first.`, true);
      return;
    }
    const request_id = newRequestId();
    this.asked.set(request_id, {
      ifRefused: `${this.nameOf(track)} was not followed further`,
      whenDone: () => this.wordsForRun(track.number, frame),
    });
    const isAsked = this.connection.ask({
      type: "propagate",
      request_id,
      track: track.number,
      from_frame: frame,
      to_frame,
    });
    if (!isAsked) this.tell("Not connected: try again when the connection is back.", true);
  }

  cancelJob(requestId: string): void {
    this.connection.send({ type: "cancel_request", request_id: requestId });
  }

  togglePlay(direction: 1 | -1 = 1): void {
    if (this.timeline.playing) this.timeline.stop();
    else this.timeline.play(direction);
  }

  toggleIsolated(number = this.selection.track): void {
    const { isolated } = this.appearance;
    const isOver = isolated !== null && (number === null || number === isolated);
    if (isOver) this.appearance.isolate(null);
    else if (this.chosenTrack(number)) this.appearance.isolate(number);
  }

  /** Bring the track to the middle of the cloud, in the nearest frame where it is. */
  flyToTrack(number = this.selection.track): void {
    const track = this.chosenTrack(number);
    if (!track) return;
    const frames = track.mask_frames.flatMap(([first, last]) => {
      const { frame } = this.timeline;
      return [Math.min(last!, Math.max(first!, frame))];
    });
    const distance = (frame: number): number => Math.abs(frame - this.timeline.frame);
    const nearest = frames.sort((a, b) => distance(a) - distance(b))[0];
    if (nearest !== undefined && nearest !== this.timeline.frame) {
      this.timeline.stop();
      this.timeline.seek(nearest);
    }
    if (!this.flyNow(track.number)) this.flyWhenLoaded(track.number);
  }

  /** Show the place of an issue: its frame, its object, and in the cloud where it is pinned. */
  goToIssue(id: number): void {
    const issue = this.issues.get(id);
    if (!issue) return;
    this.issues.choose(id);
    this.timeline.stop();
    this.timeline.seek(issue.frame);
    const track = issue.track !== null && this.document.tracks.has(issue.track);
    this.selection.set({ track: track ? issue.track : null });
    if (issue.position?.length === 3) this.cloud?.flyTo(issue.position, 12);
    else if (track) this.flyToTrack(issue.track);
  }

  /** Do what the chosen issue suggests, or decline it. */
  async decideIssue(id: number | null, take: boolean): Promise<void> {
    const issue = this.issues.get(id);
    if (!issue?.suggests || issue.verdict) {
      this.tell("Choose an issue that suggests something first.");
      return;
    }
    if (take && !this.mayEdit()) return;
    await attempt(this, async () => {
      this.issues.put(await api.decideIssue(issue.id, take));
      if (take) this.tell("Done as suggested. Ctrl+Z takes it back.");
    });
  }

  /** Every pane as it was at the start. */
  resetViews(): void {
    this.cloud?.resetView();
    for (const picture of this.pictures.values()) picture.resetView();
  }

  tell(words: string, isBad = false): void {
    const sentence = words.charAt(0).toUpperCase() + words.slice(1);
    const toast = { id: this.nextToast++, words: sentence, isBad };
    this.toasts = [...this.toasts.filter((one) => one.words !== sentence).slice(-3), toast];
    this.toastsChanged.emit();
    setTimeout(() => this.dismiss(toast.id), TOAST_MS);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
    this.toastsChanged.emit();
  }

  handOutTool(): void {
    this.cloud?.setTool(this.tool);
    for (const picture of this.pictures.values()) picture.setTool(this.tool);
  }

  // --- within ----------------------------------------------------------------------------------

  /** The track that an action is meant for; without one, says so. */
  private chosenTrack(number = this.selection.track): Track | undefined {
    const track = number === null ? undefined : this.document.tracks.get(number);
    if (!track) this.tell("Select an object first: click it in a pane or in the list.");
    return track;
  }

  /** The click tool is for those who may edit, and comes back with the right. */
  private followRights(): void {
    const { mayEdit } = this.scene;
    if (mayEdit === this.couldEdit) return;
    this.couldEdit = mayEdit;
    this.selection.set({ tool: mayEdit ? "click" : "select" });
  }

  private wordsForRun(number: number, frame: number): string {
    const track = this.document.tracks.get(number);
    const run = track?.mask_frames.find(([first, last]) => first! <= frame && frame <= last!);
    return track && run ? `${this.nameOf(track)} has masks in ${framesOf(run[0]!, run[1]!)}.` : "";
  }

  private wordsForUndo(news: LabelsChanged | null): string {
    if (!news) return "";
    const places = [...news.masks, ...news.deleted_masks];
    const numbers = new Set([...places.map(({ track }) => track), ...news.deleted_tracks]);
    for (const { number } of numbers.size ? [] : news.tracks) numbers.add(number);
    const names = [...numbers].map((number) => {
      const track = this.document.tracks.get(number);
      return track ? this.nameOf(track) : "the new object";
    });
    const frames = places.map(({ frame }) => frame);
    const where = frames.length ? `, ${framesOf(Math.min(...frames), Math.max(...frames))}` : "";
    return `Undone: ${names.join(", ")}${where}.`;
  }

  private mayEdit(): boolean {
    if (this.scene.mayEdit) return true;
    this.tell(`These labels are read-only: ${this.scene.whyReadOnly}`, true);
    return false;
  }

  private requestEnded({ request, reason, news }: Outcome): void {
    const asked = this.asked.get(request); // the click tool says what became of its own questions
    this.asked.delete(request);
    if (!asked) return;
    const words = reason === null ? asked.whenDone?.(news) : `${asked.ifRefused}: ${reason}`;
    if (words) this.tell(words, reason !== null);
  }

  private edit(
    change: Edit["change"],
    tool: string,
    ifRefused: string,
    whenDone?: Asked["whenDone"],
  ): void {
    this.asked.set(this.connection.edit(change, tool), { ifRefused, whenDone });
  }

  private dropLostSelection(): void {
    const { track, hoveredTrack } = this.selection;
    const isKnown = (number: number | null): boolean =>
      number === null || this.document.tracks.has(number);
    if (!isKnown(track)) this.selection.set({ track: null });
    if (!isKnown(hoveredTrack)) this.selection.set({ hoveredTrack: null });
    const { isolated } = this.appearance;
    if (!isKnown(isolated)) this.appearance.isolate(null);
  }

  private animate(): void {
    this.animation = requestAnimationFrame((nowMs) => {
      this.timeline.tick(nowMs, (frame) => this.cache.isReady(frame));
      this.animation = 0;
      if (this.timeline.playing) this.animate();
    });
  }

  private jump({ view, sensor, pick }: PointerInput): void {
    const place =
      view === "cloud" || !pick ? pick : this.pictures.get(sensor)?.pointAt(pick.position);
    if (place) this.cloud?.flyTo(place.position, 12);
    else this.tell("No LiDAR point lies there.");
  }

  private flyNow(track: number): boolean {
    const box = this.document.cuboids.get(`${track}:${this.timeline.frame}`);
    if (box) {
      this.cloud?.flyTo(box.centre_ego, 2.5 * Math.max(...box.size));
      return true;
    }
    const extent = extentOf(pointsOfTrack(this.document, this.cache, this.timeline.frame, track));
    if (!extent) return false;
    this.cloud?.flyTo(extent.centre, Math.min(LONGEST_FLIGHT_M, 2.5 * extent.size));
    return true;
  }

  private flyWhenLoaded(track: number): void {
    const { frame } = this.timeline;
    const stop = this.cache.arrived.on(() => {
      if (this.timeline.frame !== frame || this.flyNow(track)) stop();
    });
    setTimeout(stop, 3000);
  }
}

const framesOf = (first: number, last: number): string =>
  first === last ? `frame ${first}` : `frames ${first} to ${last}`;
