import type { Task } from "@/sync/api";

/** What a task's state is called wherever it is shown, and the badge that it wears. */
export const TASK_STATES: Record<Task["state"], { words: string; badge: string }> = {
  open: { words: "to label", badge: "accent" },
  submitted: { words: "in review", badge: "warn" },
  accepted: { words: "accepted", badge: "ok" },
  sent_back: { words: "sent back", badge: "danger" },
};
