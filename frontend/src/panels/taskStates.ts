import { api, type Task } from "@/sync/api";

/** What a task's state is called wherever it is shown, and the badge that it wears. */
export const TASK_STATES: Record<Task["state"], { words: string; badge: string }> = {
  open: { words: "to label", badge: "accent" },
  in_progress: { words: "in progress", badge: "accent" },
  submitted: { words: "in review", badge: "warn" },
  accepted: { words: "accepted", badge: "ok" },
  sent_back: { words: "sent back", badge: "danger" },
  skipped: { words: "skipped", badge: "" },
};

export const PRIORITIES = ["low", "normal", "high", "urgent"] as const;

/** Kinds of faults and why tasks are skipped: the server's lists (backend/tasks/models.py). */
export const FAULTS: Record<string, string> = {
  missing: "an object is missing",
  false: "there is no such object",
  class: "wrong class",
  outline: "mask in a picture is off",
  points: "points are wrong or missing",
  identity: "two objects in one track, or one in two",
  lost: "followed too short or too long",
  guideline: "against the guidelines",
  other: "something else",
};
export const WHY_SKIPPED: Record<string, string> = {
  nothing: "nothing to label",
  data: "the recording is broken",
  hard: "too hard for me",
  other: "something else",
};

const LABELLED_ON: readonly Task["state"][] = ["open", "in_progress", "sent_back"];

/** Whether the task waits for its labeller. */
export const isToLabel = (task: Task): boolean => LABELLED_ON.includes(task.state);

/** Whether a reviewer may send it back. */
export const mayBeSentBack = ({ state }: Task): boolean =>
  state === "submitted" || state === "accepted";

/** Go to what is to be done next; the answer says why nobody went anywhere. */
export async function goToNext(project: number, kind: "label" | "review"): Promise<string> {
  const next = await api.nextTask(project, kind);
  if (!next) return kind === "label" ? "Nothing is left to label" : "Nothing waits for a review";
  location.assign(addressOf(next));
  return "";
}

/** Where a task is worked at. */
export const addressOf = (task: Task): string =>
  `/scenes/${task.scene}?task=${task.id}${task.is_part ? `&frame=${task.first_frame}` : ""}`;

/** The scene, and which frames of it where that is not all of them. */
export const titleOf = (task: Task): string =>
  task.is_part
    ? `${task.scene_name}, frames ${task.first_frame}–${task.last_frame}`
    : task.scene_name;

/** Why a task is an exception, where only exceptions are reviewed; findings speak for themselves. */
export const FLAGS: Record<Task["flag"], string> = {
  "": "",
  rules: "",
  issues: "open issues",
  model: "the model doubts it",
  again: "again",
  sample: "sample",
};
