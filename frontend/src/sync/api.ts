import type { DeleteMasks, DeleteTrack, Issue, LabelClass, UpdateTrack } from "@/protocol/messages";

// The server's HTTP surface, typed. Errors carry the server's own words; being signed out leads to
// the sign-in page and back.

export type GivenRole = "viewer" | "annotator" | "reviewer" | "manager";
export type Role = GivenRole | "admin";

export const mayLabel = (role: Role): boolean => role !== "viewer";

export const mayReview = (role: Role): boolean => mayManage(role) || role === "reviewer";

export const mayManage = (role: Role): boolean => role === "manager" || role === "admin";

export interface Member {
  user: { id: number; username: string; name: string };
  role: Role; // "admin": somebody who is so everywhere
}

export interface User {
  id: number;
  username: string;
  name: string;
  is_admin: boolean;
}

export interface Project {
  id: number;
  name: string;
  role: Role;
  scene_count: number;
  open_task_count: number;
  attribution: string;
}

/** email: confirmed, or empty. */
export interface Address {
  email: string;
  wants_digest: boolean;
  is_possible: boolean; // this installation can send mail
}

export interface SecondFactor {
  is_on: boolean;
  recovery_left: number; // codes for when the phone is lost
}

/** Whether a sign-in was refused for want of the second factor's code. */
export const needsCode = (error: unknown): boolean =>
  error instanceof ApiError &&
  typeof error.body === "object" &&
  error.body !== null &&
  "needs_code" in error.body;

/** hint: its last characters; the token itself is told once, when it is made. */
export interface ApiToken {
  id: number;
  name: string;
  scope: "read" | "write";
  hint: string;
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
}

export interface PredictorCard {
  key: string;
  title: string;
  summary: string;
  facts: [name: string, value: string][];
}

/** chosen: a card's key, or "" for the installation's own, which is offered first. */
export interface Predictors {
  chosen: string;
  offered: PredictorCard[];
}

export interface SceneSummary {
  id: number;
  project: number;
  name: string;
  state: "ready" | "arriving";
  frame_count: number;
  expected_frames: number;
  sensors: { name: string; kind: "camera" | "lidar" }[];
  track_count: number;
  facts: Record<string, string>;
  imported_at: string;
  report: ImportReport | null;
}

export interface ImportReport {
  summary?: string;
  frames?: number;
  seconds?: number;
  sensors?: { name: string; kind: string; readings: number; points: number | null }[];
  gaps?: { after_frame: number; milliseconds: number }[];
  odd_calibration?: string[];
  skipped?: { file: string; record: number | null; message: string }[];
  labels?: Record<string, number>;
  bytes?: number; // of an export's archive
}

export interface Task {
  id: number;
  scene: number;
  scene_name: string;
  first_frame: number;
  last_frame: number;
  is_part: boolean; // of a scene that is split
  state: "open" | "in_progress" | "submitted" | "accepted" | "sent_back" | "skipped";
  state_at: string;
  priority: 0 | 1 | 2 | 3;
  due: string | null;
  assignee: { id: number; name: string } | null;
  reviewer: { id: number; name: string } | null;
  mine: boolean;
  reason: string;
  faults: string[];
  findings: number; // open issues in its frames that rules have raised
  flag: "" | "rules" | "issues" | "model" | "again" | "sample"; // told to reviewers alone
  copy_of: number | null; // the original of a blind copy; told to reviewers alone
}

/** How far two labellings agree, 0 to 1 each; what they are: inference/agreement.py. */
export interface Measures {
  iou: number;
  miou: number;
  pq: number;
  lstq: number;
  boundary: number | null;
}

export interface Comparison {
  id: number;
  scene: number;
  scene_name: string;
  reference: number;
  is_gold: boolean;
  person: { id: number; name: string } | null;
  other: { id: number; name: string } | null;
  frames: [first: number, last: number];
  pixels: Measures | null;
  points: Measures | null;
  found: number;
  missing: number;
  extra: number;
  other_class: number;
  at: string;
}

export interface ComparisonDetail extends Comparison {
  classes: { name: string; pixels: number | null; points: number | null; objects: number }[];
  ranges: { name: string; points: number }[];
  worst: {
    frame: number;
    sensor: string;
    track: number;
    is_judged: boolean;
    label_class: string;
    iou: number;
  }[];
}

export interface Quality {
  people: {
    person: { id: number; name: string };
    trials: number;
    pixels: Measures | null;
    points: Measures | null;
    agreement: number | null;
  }[];
  comparisons: Comparison[];
  copies: Task[];
}

export interface ClassWish {
  name: string;
  colour?: string;
  is_stuff?: boolean;
  parent?: number | null;
  hint?: string;
  longest_m?: number | null;
  is_archived?: boolean;
}

export interface ProjectDetail extends Project {
  guidelines: string; // Markdown
  guidelines_html: string;
  review_policy: "all" | "exceptions";
  review_share: number; // percent
}

export interface Figures {
  since: string;
  until: string;
  tasks: Partial<Record<Task["state"], number>>;
  frames: Partial<Record<Task["state"], number>>;
  days: { day: string; accepted_frames: number }[];
  people: {
    name: string;
    submitted: number;
    judged: number;
    first_time: number;
    frames: number;
    objects: number;
    clicks: number;
    edits: number;
    at_work_s: number; // with tools and thinking
    tool_s: number;
    thinking_s: number;
    idle_s: number;
    waiting_s: number;
  }[];
  prelabels: number;
  corrected: number;
  faults: Record<string, number>;
  ready_on: string | null;
}

/** A link that nobody has used yet. */
export interface Invitation {
  id: number;
  role: GivenRole;
  note: string;
  by: string | null;
  expires_at: string;
}

export type WebhookEvent = "task.moved" | "job.ended" | "issue.raised";

/** secret: told when it is made, and never again. */
export interface Webhook {
  id: number;
  url: string;
  events: WebhookEvent[];
  is_active: boolean;
  created_at: string;
  secret?: string;
}

/** next_at: when it is tried again; null: nothing is left to do. status: of the last answer. */
export interface Delivery {
  id: number;
  event: WebhookEvent | "ping";
  body: Record<string, unknown>;
  created_at: string;
  attempts: number;
  next_at: string | null;
  delivered_at: string | null;
  status: number | null;
  error: string;
}

/** One administrative act. */
export interface AuditEntry {
  id: number;
  at: string;
  by: string | null; // null: the command line
  act: string;
  about: string;
}

export interface Notifications {
  unread: number;
  notifications: {
    id: number;
    kind: string;
    text: string;
    address: string;
    at: string;
    read_at: string | null;
  }[];
}

/** What is pinned to a place: words, a kind of fault, and what is suggested. */
export interface IssueWish {
  text: string;
  frame: number;
  sensor: number | null;
  position: readonly number[] | null;
  track: number | null;
  fault: string;
  suggestion: UpdateTrack | DeleteTrack | DeleteMasks | null;
}

/** What a manager changes of several tasks at once; what is left out stays as it is. */
export interface TaskPlan {
  assignees?: (number | null)[]; // several: shared out evenly
  priority?: number;
  due?: string | null;
}

export interface JobSummary {
  id: number;
  kind: "click" | "propagate" | "import" | "export" | "demo" | "engine" | "compare" | "check";
  state: "waiting" | "running" | "done" | "failed" | "cancelled" | "superseded";
  done: number;
  total: number;
  message: string;
  error: string;
  created_at: string;
  finished_at: string | null;
  by: { id: number; name: string } | null;
  report: ImportReport | null;
  scene_ids: number[];
  label: string;
  cancel_requested: boolean;
  download: string | null;
}

export interface FolderEntry {
  name: string;
  path: string;
  is_folder: boolean;
  size: number;
}

export interface Folder {
  path: string;
  entries: FolderEntry[];
  roots: string[];
}

/** A format that can be imported or exported. */
export interface Format {
  name: string;
  title: string;
  description: string;
}

export interface Upload {
  id: number;
  offset: number;
  size: number;
}

/** What the server (or the network) had to say; `status` 0: the server was not reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, message: string, body: unknown = null) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export const isRunning = (job: JobSummary): boolean =>
  job.state === "waiting" || job.state === "running";

const SIGN_IN = "/sign-in";

export function signInAddress(from: string): string {
  return from === "/" ? SIGN_IN : `${SIGN_IN}?next=${encodeURIComponent(from)}`;
}

/** Only an address of our own: a link to us must not send people elsewhere after signing in. */
export function afterSignIn(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(next) ? next : "/";
}

function csrfToken(): string {
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

/** Django's words for what a person may not see or what is not there. */
const NO_ROW = /^No \w+ matches the given query\.$/;

/** The first sentence in an error's body: {"detail": "..."} or {"field": ["..."]}. */
export function wordsOf(body: unknown, status: number): string {
  if (typeof body === "object" && body !== null) {
    const sentences = Object.values(body).map((value) => (Array.isArray(value) ? value[0] : value));
    const first = sentences.find((value): value is string => typeof value === "string");
    if (first) return NO_ROW.test(first) ? "This does not exist, or it is not yours." : first;
  }
  return status >= 500
    ? "The server failed at this. Nothing was changed; try again, and tell whoever runs it if it stays so."
    : `The server refused this (${status}).`;
}

async function call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (method !== "GET") headers.set("X-CSRFToken", csrfToken());
  let response: Response;
  try {
    response = await fetch(path, { ...init, method, headers, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, "The server cannot be reached. Check the connection and try again.");
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  if (response.status === 401 && location.pathname !== SIGN_IN) {
    location.assign(signInAddress(location.pathname + location.search));
  }
  throw new ApiError(response.status, wordsOf(body, response.status), body);
}

async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit =
    body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await call(method, path, init);
  return (response.status === 204 ? null : await response.json()) as T;
}

const get = <T>(path: string): Promise<T> => json<T>("GET", path);
/** Every page of a list, by the links that the server gives. */
async function all<T>(path: string): Promise<T[]> {
  const found: T[] = [];
  let next: string | undefined = path;
  while (next !== undefined) {
    const response: Response = await call("GET", next);
    found.push(...((await response.json()) as T[]));
    next = /<([^>]*)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
  }
  return found;
}

const post = <T>(path: string, body: unknown = {}): Promise<T> => json<T>("POST", path, body);

export const api = {
  session: () => get<{ user: User | null }>("/api/session"),
  /** code: of the second factor, once the server has asked for it (`needsCode`). */
  signIn: (username: string, password: string, code = "") =>
    post<{ user: User }>("/api/session", { username, password, code }),
  signOut: () => json<null>("DELETE", "/api/session"),

  audit: (project: number, before?: number) =>
    get<AuditEntry[]>(
      `/api/projects/${project}/audit${before === undefined ? "" : `?before=${before}`}`,
    ),
  notifications: () => get<Notifications>("/api/notifications"),
  readNotifications: (ids?: number[]) =>
    post<Notifications>("/api/notifications", ids ? { ids } : {}),

  address: () => get<Address>("/api/account/email"),
  changeAddress: (wish: Partial<Pick<Address, "email" | "wants_digest">>) =>
    json<Address>("PATCH", "/api/account/email", wish),
  forgetAddress: () => json<null>("DELETE", "/api/account/email"),
  confirmAddress: (secret: string) => post<null>("/api/account/email/confirm", { secret }),
  forgotPassword: (email: string) => post<null>("/api/password/forgotten", { email }),
  setPassword: (secret: string, password: string) =>
    post<null>("/api/password/set", { secret, password }),

  secondFactor: () => get<SecondFactor>("/api/second-factor"),
  beginSecondFactor: () =>
    post<{ secret: string; address: string; picture: string }>("/api/second-factor"),
  switchOnSecondFactor: async (code: string) =>
    (await json<{ recovery: string[] }>("PUT", "/api/second-factor", { code })).recovery,
  switchOffSecondFactor: (code: string) =>
    json<null>("DELETE", `/api/second-factor?code=${encodeURIComponent(code)}`),

  tokens: () => get<ApiToken[]>("/api/tokens"),
  makeToken: (wish: { name: string; scope: ApiToken["scope"]; days: number }) =>
    post<ApiToken & { token: string }>("/api/tokens", wish),
  takeTokenBack: (id: number) => json<null>("DELETE", `/api/tokens/${id}`),

  invitations: (project: number) => get<Invitation[]>(`/api/projects/${project}/invitations`),
  invite: (project: number, role: GivenRole, note: string) =>
    post<Invitation & { secret: string }>(`/api/projects/${project}/invitations`, { role, note }),
  takeInvitationBack: (project: number, id: number) =>
    json<null>("DELETE", `/api/projects/${project}/invitations/${id}`),
  lookAtInvitation: (secret: string) =>
    post<{ project: string; role: string; by: string | null }>("/api/invitations/look", {
      secret,
    }),
  acceptInvitation: (wish: { secret: string; username: string; name: string; password: string }) =>
    post<{ project: number }>("/api/invitations/accept", wish),

  projects: () => all<Project>("/api/projects"),
  makeProject: (name: string) => post<Project>("/api/projects", { name }),
  members: (project: number) => all<Member>(`/api/projects/${project}/members`),
  addMember: (project: number, username: string, role: GivenRole) =>
    post<Member>(`/api/projects/${project}/members`, { username, role }),
  changeRole: (project: number, user: number, role: GivenRole) =>
    json<Member>("PATCH", `/api/projects/${project}/members/${user}`, { role }),
  removeMember: (project: number, user: number) =>
    json<null>("DELETE", `/api/projects/${project}/members/${user}`),
  project: (id: number) => get<Project>(`/api/projects/${id}`),
  projectDetail: (id: number) => get<ProjectDetail>(`/api/projects/${id}`),
  configure: (
    id: number,
    wish: Partial<Pick<ProjectDetail, "guidelines" | "review_policy" | "review_share">>,
  ) => json<Project>("PATCH", `/api/projects/${id}`, wish),
  classes: (project: number) => get<LabelClass[]>(`/api/projects/${project}/classes`),
  addClass: (project: number, wish: ClassWish) =>
    post<LabelClass>(`/api/projects/${project}/classes`, wish),
  changeClass: (project: number, id: number, wish: Partial<ClassWish>) =>
    json<LabelClass>("PATCH", `/api/projects/${project}/classes/${id}`, wish),
  removeClass: (project: number, id: number) =>
    json<null>("DELETE", `/api/projects/${project}/classes/${id}`),
  orderClasses: (project: number, classes: number[]) =>
    json<LabelClass[]>("PUT", `/api/projects/${project}/classes`, { classes }),
  predictor: (project: number) => get<Predictors>(`/api/projects/${project}/predictor`),
  choosePredictor: (project: number, predictor: string) =>
    json<Predictors>("PUT", `/api/projects/${project}/predictor`, { predictor }),
  scenes: (project: number) => all<SceneSummary>(`/api/projects/${project}/scenes`),
  scene: (id: number) => get<SceneSummary>(`/api/scenes/${id}`),
  deleteScene: (id: number) => json<null>("DELETE", `/api/scenes/${id}`),

  tasks: (project: number, scene?: number) =>
    all<Task>(`/api/projects/${project}/tasks${scene === undefined ? "" : `?scene=${scene}`}`),
  assignTask: (id: number, assignee: number | null) =>
    json<Task>("PATCH", `/api/tasks/${id}`, { assignee }),
  planTasks: (project: number, tasks: number[], plan: TaskPlan) =>
    json<Task[]>("PATCH", `/api/projects/${project}/tasks`, { tasks, ...plan }),
  figures: (project: number, days: number) =>
    get<Figures>(`/api/projects/${project}/figures?days=${days}`),
  webhooks: (project: number) => get<Webhook[]>(`/api/projects/${project}/webhooks`),
  makeWebhook: (project: number, url: string, events: WebhookEvent[]) =>
    post<Webhook>(`/api/projects/${project}/webhooks`, { url, events }),
  changeWebhook: (id: number, wish: Partial<Pick<Webhook, "is_active" | "events">>) =>
    json<Webhook>("PATCH", `/api/webhooks/${id}`, wish),
  removeWebhook: (id: number) => json<null>("DELETE", `/api/webhooks/${id}`),
  pingWebhook: (id: number) => post<Delivery>(`/api/webhooks/${id}/ping`),
  deliveries: (webhook: number) => get<Delivery[]>(`/api/webhooks/${webhook}/deliveries`),
  resend: (delivery: number) => post<Delivery>(`/api/deliveries/${delivery}/resend`),
  quality: (project: number) => get<Quality>(`/api/projects/${project}/quality`),
  checkTask: (id: number) => post<JobSummary>(`/api/tasks/${id}/checks`),
  comparison: (id: number) => get<ComparisonDetail>(`/api/comparisons/${id}`),
  labelAgain: (task: number, people: (number | null)[], prelabel: boolean) =>
    post<Task[]>(`/api/tasks/${task}/copies`, { people, prelabel }),
  adoptCopy: (scene: number) => post<{ revision: number }>(`/api/scenes/${scene}/adopt`),
  splitScene: (scene: number, frames: number, overlap: number) =>
    post<Task[]>(`/api/scenes/${scene}/split`, { frames, overlap }),
  nextTask: async (project: number, kind: "label" | "review") =>
    (await post<{ task: Task | null }>(`/api/projects/${project}/next/${kind}`)).task,
  task: (id: number) => get<Task>(`/api/tasks/${id}`),
  startTask: (id: number) => post<Task>(`/api/tasks/${id}/start`),
  giveUpTask: (id: number) => post<Task>(`/api/tasks/${id}/give_up`),
  reopenTask: (id: number) => post<Task>(`/api/tasks/${id}/reopen`),
  skipTask: (id: number, why: string, note: string) =>
    post<Task>(`/api/tasks/${id}/skip`, { why, note }),
  submitTask: (id: number) => post<Task>(`/api/tasks/${id}/submit`),
  acceptTask: (id: number) => post<Task>(`/api/tasks/${id}/accept`),
  sendBackTask: (id: number, reason: string, faults: string[]) =>
    post<Task>(`/api/tasks/${id}/send_back`, { reason, faults }),

  raiseIssue: (scene: number, wish: IssueWish) => post<Issue>(`/api/scenes/${scene}/issues`, wish),
  answerIssue: (id: number, text: string) => post<Issue>(`/api/issues/${id}/comments`, { text }),
  setIssueOpen: (id: number, is_open: boolean) =>
    json<Issue>("PATCH", `/api/issues/${id}`, { is_open }),
  resolveIssues: (scene: number, resolved: number[]) =>
    json<Issue[]>("PATCH", `/api/scenes/${scene}/issues`, { resolved }),
  decideIssue: (id: number, take: boolean) => post<Issue>(`/api/issues/${id}/suggestion`, { take }),

  jobs: (project: number, ...kinds: string[]) =>
    get<JobSummary[]>(
      `/api/projects/${project}/jobs?${kinds.map((kind) => `kind=${kind}`).join("&")}`,
    ),
  preLabel: (scene: number) => post<JobSummary>(`/api/scenes/${scene}/prelabels`),
  cancelJob: (id: number) => post<JobSummary>(`/api/jobs/${id}/cancel`),
  resumeJob: (id: number) => post<JobSummary>(`/api/jobs/${id}/resume`),

  importFormats: () => get<Format[]>("/api/import-formats"),
  importFolder: (project: number, path: string) =>
    get<Folder>(`/api/projects/${project}/import-folders?path=${encodeURIComponent(path)}`),
  startImport: (project: number, source: { format: string; path?: string; upload?: number }) =>
    post<JobSummary>(`/api/projects/${project}/imports`, source),
  beginUpload: (project: number, name: string, size: number) =>
    post<Upload>(`/api/projects/${project}/uploads`, { name, size }),
  upload: (id: number) => get<Upload>(`/api/uploads/${id}`),

  exportFormats: () => get<Format[]>("/api/export-formats"),
  startExport: (
    project: number,
    wanted: {
      scenes: number[];
      format: string;
      include_unreviewed: boolean;
      with_readings: boolean;
    },
  ) => post<{ id: number }>(`/api/projects/${project}/exports`, wanted),
};

export const PIECE_BYTES = 4 * 2 ** 20;
const PATIENCE_MS = [1000, 2000, 4000, 8000, 15000];

/**
 * Send a file in pieces from where the server has got to. A lost connection is waited out, and a
 * server that has more or less than we thought says where to go on. Rejects when `signal` aborts
 * or the server refuses; the upload can then be continued by calling this again.
 */
export async function sendFile(
  upload: Upload,
  file: Blob,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
  wait: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
): Promise<void> {
  let offset = (await api.upload(upload.id)).offset;
  let failures = 0;
  onProgress(offset);
  while (offset < file.size) {
    signal.throwIfAborted();
    try {
      offset = await sendPiece(upload.id, file.slice(offset, offset + PIECE_BYTES), offset, signal);
      failures = 0;
      onProgress(offset);
    } catch (error) {
      signal.throwIfAborted();
      const pause = PATIENCE_MS[failures];
      const isPassing = error instanceof ApiError && (error.status === 0 || error.status >= 502);
      if (!isPassing || pause === undefined) throw error;
      failures += 1;
      await wait(pause);
    }
  }
}

async function sendPiece(
  upload: number,
  piece: Blob,
  offset: number,
  signal: AbortSignal,
): Promise<number> {
  const headers = { "Upload-Offset": String(offset), "Content-Type": "application/octet-stream" };
  try {
    const response = await call("PATCH", `/api/uploads/${upload}`, {
      body: piece,
      headers,
      signal,
    });
    return ((await response.json()) as { offset: number }).offset;
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) {
      return (error.body as { offset: number }).offset;
    }
    throw error;
  }
}
