import type { Selection } from "@/store/Selection";
import type { Timeline } from "@/store/Timeline";
import type { SceneConnection } from "./SceneConnection";

const PAUSE_MS = 400; // others need not see every frame of a playing drive

/** Tells the others where this person is. Returns what ends it. */
export function sharePresence(
  connection: Pick<SceneConnection, "send" | "linkChanged">,
  timeline: Timeline,
  selection: Selection,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      connection.send({ type: "move_presence", frame: timeline.frame, track: selection.track });
    }, PAUSE_MS);
  };
  const stop = [
    timeline.changed.on(soon),
    selection.changed.on((fields) => {
      if (fields.has("track")) soon();
    }),
    connection.linkChanged.on(({ kind }) => {
      if (kind === "open") soon();
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const one of stop) one();
  };
}
