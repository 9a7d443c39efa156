import {
  type ClientMessage,
  type Edit,
  type Job,
  type LabelClass,
  type LabelsChanged,
  PROTOCOL_VERSION,
  type RequestFailed,
  type ServerMessage,
  type Snapshot,
} from "@/protocol/messages";
import { Emitter } from "@/store/Emitter";
import type { Issues } from "@/store/Issues";
import { isUnderWay, type Jobs } from "@/store/Jobs";
import type { LabelDocument } from "@/store/LabelDocument";
import type { SceneInfo } from "@/store/SceneInfo";
import type { Timeline } from "@/store/Timeline";
import { api } from "./api";
import { newRequestId } from "./requestId";

export interface Stores {
  scene: SceneInfo;
  timeline: Timeline;
  document: LabelDocument;
  jobs: Jobs;
  issues: Issues;
}

export interface SaveState {
  kind: "saved" | "saving" | "offline";
  waiting: number; // edits that the server has not confirmed
}

/** Where the connection is. "refused": for good, and `why` says the reason. */
export type LinkState = { kind: "connecting" | "open" | "lost" | "refused"; why: string };

/**
 * How one request of this browser ended. reason null: it was done, or given up on purpose; news:
 * what it changed, where that came under its name.
 */
export interface Outcome {
  request: string;
  reason: string | null;
  news: LabelsChanged | null;
}

/** What the model is asked. A propagation answers many times, and has ended when its job has. */
type Question = Extract<ClientMessage, { type: "add_prompt" | "propagate" }>;

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
const SILENCE_MS = 16_000; // three heartbeats: the line is dead, even if nobody says so
const CATCH_UP_MS = 5000; // then it is asked for again
const FIRST_REFUSAL = 4400; // close codes from here to 4499 are final

/**
 * The control socket of one scene: applies the server's news to the stores and sends requests.
 *
 *   connecting -> open (joined) -> lost -> connecting ...      any -> refused, and stays
 *
 * After every connect it joins and gets a snapshot. The first one fills the stores; a later one
 * refreshes what is around the labels, and the labels catch up by news, so that masks which are
 * here need not be loaded again. Edits are kept in order until the server has confirmed them, and
 * sent again after a reconnect: their operation_id makes that harmless.
 */
export class SceneConnection {
  readonly joined = new Emitter<void>(); // the first snapshot is in the stores
  readonly saveStateChanged = new Emitter<SaveState>();
  readonly linkChanged = new Emitter<LinkState>();
  /** Requests and edits of this browser that have ended. */
  readonly ended = new Emitter<Outcome>();
  /** Words for the person that belong to no single request. */
  readonly complaint = new Emitter<string>();
  /** Every news of labels that was applied. */
  readonly labelsChanged = new Emitter<LabelsChanged>();

  link: LinkState = { kind: "connecting", why: "" };
  private socket: WebSocket | null = null;
  private readonly pendingEdits = new Map<string, Edit>(); // in the order they were made
  private readonly asked = new Map<string, Question["type"]>(); // of the model, unanswered
  private hasSnapshot = false;
  private hasJoined = false; // on this socket
  private retryMs = FIRST_RETRY_MS;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private catchUpTimer: ReturnType<typeof setTimeout> | undefined;
  private isLearning = false;

  constructor(
    private readonly url: string,
    private readonly stores: Stores,
    private readonly connect: (url: string) => WebSocket = (url) => new WebSocket(url),
    private readonly classesOf: (project: number) => Promise<LabelClass[]> = api.classes,
  ) {
    this.open();
  }

  get saveState(): SaveState {
    const waiting = this.pendingEdits.size;
    if (this.link.kind !== "open") return { kind: "offline", waiting };
    return { kind: waiting ? "saving" : "saved", waiting };
  }

  /** Whether a request to the model would be heard now. */
  get isOpen(): boolean {
    return this.link.kind === "open";
  }

  /** A change of labels. Kept until the server has it, also when there is no connection now. */
  edit(change: Edit["change"], tool = ""): string {
    const operation_id = newRequestId();
    const edit: Edit = { type: "edit", operation_id, change, tool };
    this.pendingEdits.set(operation_id, edit);
    if (this.isOpen) this.write(edit);
    this.tellSaveState();
    return operation_id;
  }

  /** A question to the model. False: there is no connection, and it was not asked. */
  ask(message: Question): boolean {
    if (!this.isOpen) return false;
    this.asked.set(message.request_id, message.type);
    this.write(message);
    return true;
  }

  /** Anything that matters only now. */
  send(message: Extract<ClientMessage, { type: "cancel_request" | "move_presence" }>): void {
    if (this.isOpen) this.write(message);
  }

  /** Do not wait for the next attempt. */
  retryNow(): void {
    if (this.link.kind !== "lost") return;
    clearTimeout(this.retryTimer);
    this.open();
  }

  close(): void {
    this.stopTimers();
    this.detach();
    this.socket?.close();
    this.socket = null;
  }

  private open(): void {
    this.hasJoined = false;
    this.setLink({ kind: "connecting", why: this.link.why });
    const socket = this.connect(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.hear();
      // Always a snapshot: frames, rights and jobs may have changed while we were away, too.
      this.write({ type: "join", protocol_version: PROTOCOL_VERSION, known_revision: null });
    };
    socket.onmessage = ({ data }) => {
      this.hear();
      this.receive(JSON.parse(data as string) as ServerMessage);
    };
    socket.onclose = ({ code, reason }) => this.lost(code, reason);
    this.hear();
  }

  private receive(message: ServerMessage): void {
    const { scene, timeline } = this.stores;
    switch (message.type) {
      case "snapshot":
        this.takeSnapshot(message);
        return;
      case "labels_changed":
        this.applyNews(message);
        return;
      case "request_failed":
        this.requestFailed(message);
        return;
      case "issue_changed":
        this.stores.issues.put(message.issue);
        return;
      case "job_changed":
        this.jobChanged(message.job);
        return;
      case "frames_added":
        scene.addFrames(message.frames, message.expected_frames);
        timeline.setFrameCount(scene.frames.length);
        return;
      case "presence_changed":
        scene.setPeople(message.people);
        return;
      case "document_frozen":
        scene.setMayEdit(message.may_edit, message.why_read_only);
        return;
      case "classes_changed":
        this.stores.document.refreshClasses(message.label_classes);
        return;
      case "heartbeat":
        if (message.revision > this.stores.document.revision) this.catchUp();
        return;
      case "refused":
        this.setLink({ kind: "refused", why: message.reason });
        return;
      default:
        message satisfies never; // a newer server's news, which this page cannot know
    }
  }

  private takeSnapshot(snapshot: Snapshot): void {
    const { scene, timeline, document, jobs, issues } = this.stores;
    const isFirst = !this.hasSnapshot;
    this.hasSnapshot = this.hasJoined = true;
    this.retryMs = FIRST_RETRY_MS;
    scene.replaceWith(snapshot);
    timeline.setFrameCount(scene.frames.length);
    jobs.replaceWith(snapshot.jobs);
    issues.replaceWith(snapshot.issues);
    // Less than we know: the server was restored from a backup, and what it says holds.
    if (isFirst || snapshot.revision < document.revision) document.replaceWith(snapshot);
    else document.refreshClasses(snapshot.label_classes);
    this.setLink({ kind: "open", why: "" });
    if (snapshot.revision > document.revision) this.catchUp();
    for (const edit of this.pendingEdits.values()) this.write(edit);
    this.tellSaveState();
    if (isFirst) this.joined.emit();
  }

  private applyNews(news: LabelsChanged): void {
    const { document } = this.stores;
    if (!this.hasSnapshot) return; // of the time before the snapshot, which will contain it
    const applied = document.apply(news);
    if (applied === "gap") this.catchUp();
    if (applied === "applied") {
      clearTimeout(this.catchUpTimer);
      this.catchUpTimer = undefined;
      this.labelsChanged.emit(news);
      if (news.tracks.some(({ label_class }) => !document.labelClasses.has(label_class))) {
        void this.learnClasses();
      }
    }
    const request = news.operation_id;
    if (request && this.asked.get(request) !== "propagate") this.end(request, null, news);
  }

  /** A class was made since we came in: the data engine's "unknown", say. */
  private async learnClasses(): Promise<void> {
    if (this.isLearning) return;
    this.isLearning = true;
    try {
      const { document, scene } = this.stores;
      document.refreshClasses(await this.classesOf(scene.project));
    } catch {
      // The next news of such a track, or the next snapshot, brings it.
    } finally {
      this.isLearning = false;
    }
  }

  private jobChanged(job: Job): void {
    this.stores.jobs.put(job);
    if (isUnderWay(job)) return;
    // What a job that is done has made came before this, as news.
    this.end(job.request_id, job.state === "failed" ? job.message : null, null);
  }

  private requestFailed({ request_id, reason }: RequestFailed): void {
    if (!this.end(request_id, reason, null)) this.complaint.emit(reason);
  }

  /** False: it is nothing that this browser waits for. */
  private end(request: string | null, reason: string | null, news: LabelsChanged | null): boolean {
    if (!request) return false;
    const wasEdit = this.pendingEdits.delete(request);
    const wasAsked = this.asked.delete(request);
    if (!wasEdit && !wasAsked) return false;
    this.ended.emit({ request, reason, news });
    if (wasEdit) this.tellSaveState();
    return true;
  }

  /** Asks for all that is missing, once at a time. */
  private catchUp(): void {
    if (this.catchUpTimer !== undefined || !this.hasJoined) return;
    this.write({ type: "catch_up", known_revision: this.stores.document.revision });
    this.catchUpTimer = setTimeout(() => {
      this.catchUpTimer = undefined;
    }, CATCH_UP_MS);
  }

  private lost(code: number, reason: string): void {
    this.stopTimers();
    this.detach();
    this.socket = null;
    this.hasJoined = false;
    if (this.link.kind === "refused") return;
    if (code >= FIRST_REFUSAL && code < FIRST_REFUSAL + 100) {
      this.setLink({ kind: "refused", why: reason || "the server has ended this connection" });
      return;
    }
    this.setLink({ kind: "lost", why: "the connection to the server was lost" });
    this.retryTimer = setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(LONGEST_RETRY_MS, this.retryMs * 2);
    // Their answers may have been on the way. The masks themselves come with the catching up.
    // A propagation goes on without us, and its job tells when it ends.
    for (const [request, type] of [...this.asked]) {
      if (type === "propagate") continue;
      this.end(request, "the connection was lost before the model answered: click again", null);
    }
  }

  /** Something was heard: the line is alive. */
  private hear(): void {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => {
      const { socket } = this;
      this.lost(0, "");
      socket?.close();
    }, SILENCE_MS);
  }

  private detach(): void {
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
  }

  private stopTimers(): void {
    for (const timer of [this.retryTimer, this.silenceTimer, this.catchUpTimer]) {
      clearTimeout(timer);
    }
    this.catchUpTimer = undefined;
  }

  private write(message: ClientMessage): void {
    this.socket?.send(JSON.stringify(message));
  }

  private setLink(link: LinkState): void {
    this.link = link;
    this.linkChanged.emit(link);
    this.tellSaveState();
  }

  private tellSaveState(): void {
    this.saveStateChanged.emit(this.saveState);
  }
}
