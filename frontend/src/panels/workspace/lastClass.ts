import type { LabelClass } from "@/protocol/messages";

const keyOf = (project: number): string => `masklet.class.${project}`;

/** The class of this browser's last new object in the project, else the first; null: there is none. */
export function lastClass(project: number, classes: readonly LabelClass[]): number | null {
  const last = Number(localStorage.getItem(keyOf(project)));
  return (classes.find(({ id }) => id === last) ?? classes[0])?.id ?? null;
}

export function keepClass(project: number, labelClass: number | null): void {
  if (labelClass !== null) localStorage.setItem(keyOf(project), String(labelClass));
}
