import type { JobSummary, Project, SceneSummary, Task, User } from "@/sync/api";

export const USER: User = { id: 1, username: "maria", name: "Maria", is_admin: false };

export const buildProject = (fields: Partial<Project> = {}): Project => ({
  id: 3,
  name: "Streets",
  role: "manager",
  scene_count: 0,
  open_task_count: 0,
  attribution: "",
  ...fields,
});

export const buildScene = (fields: Partial<SceneSummary> = {}): SceneSummary => ({
  id: 5,
  project: 3,
  name: "street-1",
  state: "ready",
  frame_count: 200,
  expected_frames: 200,
  sensors: [
    { name: "FRONT", kind: "camera" },
    { name: "TOP", kind: "lidar" },
  ],
  track_count: 12,
  facts: {},
  imported_at: "2026-01-02T03:04:05Z",
  report: null,
  ...fields,
});

export const buildTask = (fields: Partial<Task> = {}): Task => ({
  id: 9,
  scene: 5,
  scene_name: "street-1",
  first_frame: 0,
  last_frame: 199,
  is_part: false,
  state: "open",
  state_at: "2026-01-02T03:04:05Z",
  priority: 1,
  due: null,
  assignee: null,
  reviewer: null,
  mine: false,
  reason: "",
  faults: [],
  findings: 0,
  flag: "",
  copy_of: null,
  ...fields,
});

export const buildJob = (fields: Partial<JobSummary> = {}): JobSummary => ({
  id: 7,
  kind: "import",
  state: "running",
  done: 0,
  total: 0,
  message: "",
  error: "",
  created_at: "2026-01-02T03:04:05Z",
  finished_at: null,
  by: null,
  report: null,
  scene_ids: [],
  label: "street.zip",
  cancel_requested: false,
  download: null,
  ...fields,
});
