import { useEffect, useState } from "preact/hooks";
import type { Emitter } from "@/store/Emitter";

/** Draws the component again after any of these has told something, once per screen frame. */
export function useNewsOf(...emitters: Pick<Emitter<unknown>, "on">[]): void {
  const [, setRound] = useState(0);
  useEffect(() => {
    let waiting = 0;
    const soon = (): void => {
      waiting ||= requestAnimationFrame(() => {
        waiting = 0;
        setRound((round) => round + 1);
      });
    };
    const stop = emitters.map((emitter) => emitter.on(soon));
    soon(); // something may have happened between drawing and listening
    return () => {
      cancelAnimationFrame(waiting);
      for (const one of stop) one();
    };
  }, []);
}

/** Of an emitter that names what has changed: only these. */
export function only(
  emitter: Pick<Emitter<Set<string>>, "on">,
  ...names: string[]
): Pick<Emitter<unknown>, "on"> {
  return {
    on: (listener) =>
      emitter.on((changed) => {
        if (names.some((name) => changed.has(name))) listener(changed);
      }),
  };
}
