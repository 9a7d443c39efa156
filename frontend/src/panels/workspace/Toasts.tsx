import type { JSX } from "preact";
import { IconButton } from "./icons";
import type { Room } from "./Room";
import { useNewsOf } from "./watching";

/** What went wrong, and what to do; each goes by itself after a while. */
export function Toasts({ room }: { room: Room }): JSX.Element {
  useNewsOf(room.toastsChanged);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {room.toasts.map(({ id, words, isBad }) => (
        <div key={id} class={`toast ${isBad ? "bad" : ""}`}>
          <span>{words}</span>
          <IconButton icon="close" label="Dismiss" onClick={() => room.dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
