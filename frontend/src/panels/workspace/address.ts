import type { Timeline } from "@/store/Timeline";

const REST_MS = 400;

/** A reload, or a link that is passed on, comes back to the frame that is shown. */
export function keepFrameInAddress(timeline: Timeline): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const note = (): void => {
    const address = new URL(location.href);
    address.searchParams.set("frame", String(timeline.frame));
    history.replaceState(history.state, "", address);
  };
  const stop = timeline.changed.on(() => {
    clearTimeout(timer);
    timer = setTimeout(note, REST_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}
