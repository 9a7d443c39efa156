import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { FAULTS, WHY_SKIPPED } from "@/panels/taskStates";

/** Why work is sent back: kinds of faults, to be counted, and words, to be read. */
export function SendBack(props: {
  onSend: (reason: string, faults: string[]) => void;
  onLeave: () => void;
}): JSX.Element {
  const [reason, setReason] = useState("");
  const [faults, setFaults] = useState<ReadonlySet<string>>(new Set());
  const toggle = (fault: string) => {
    const next = new Set(faults);
    if (!next.delete(fault)) next.add(fault);
    setFaults(next);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (reason.trim()) props.onSend(reason.trim(), [...faults]);
  };
  return (
    <form class="stack tight" onSubmit={submit} aria-label="Send back">
      <fieldset class="plain row" aria-label="What is wrong">
        {Object.entries(FAULTS).map(([fault, words]) => (
          <button
            key={fault}
            type="button"
            class="chip"
            aria-pressed={faults.has(fault)}
            onClick={() => toggle(fault)}
          >
            {words}
          </button>
        ))}
      </fieldset>
      <div class="row">
        <input
          class="grow"
          aria-label="Why it is sent back"
          placeholder="What must be changed? The labeller reads it."
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
          maxLength={2000}
          required
          ref={(input) => input?.focus()} // the button that opened it has gone
        />
        <button type="submit" class="dangerous" disabled={!reason.trim()}>
          Send back
        </button>
        <button type="button" class="quiet" onClick={props.onLeave}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** Why a task cannot be done. */
export function Skip(props: {
  onSkip: (why: string, note: string) => void;
  onLeave: () => void;
}): JSX.Element {
  const [why, setWhy] = useState("nothing");
  const [note, setNote] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    props.onSkip(why, note.trim());
  };
  return (
    <form class="row" onSubmit={submit} aria-label="Skip">
      <select
        aria-label="Why it is skipped"
        value={why}
        onChange={(event) => setWhy(event.currentTarget.value)}
      >
        {Object.entries(WHY_SKIPPED).map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </select>
      <input
        class="grow"
        aria-label="More about it"
        placeholder={why === "other" ? "What is it?" : "More about it, if need be"}
        value={note}
        onInput={(event) => setNote(event.currentTarget.value)}
        maxLength={2000}
        required={why === "other"}
      />
      <button type="submit">Skip the task</button>
      <button type="button" class="quiet" onClick={props.onLeave}>
        Cancel
      </button>
    </form>
  );
}

/** Several tasks instead of one, of so many frames each. */
export function Split(props: {
  frames: number;
  onSplit: (frames: number, overlap: number) => void;
  onLeave: () => void;
}): JSX.Element {
  const [frames, setFrames] = useState(Math.min(50, Math.ceil(props.frames / 2)));
  const [overlap, setOverlap] = useState(1);
  const submit = (event: Event) => {
    event.preventDefault();
    props.onSplit(frames, overlap);
  };
  return (
    <form class="row" onSubmit={submit} aria-label="Split">
      <label>
        Tasks of{" "}
        <input
          class="tiny"
          type="number"
          min={1}
          max={props.frames}
          value={frames}
          required
          onInput={(event) => setFrames(event.currentTarget.valueAsNumber)}
        />{" "}
        frames
      </label>
      <label title="Frames that two neighbours have in common, so that tracks can be joined">
        overlapping by{" "}
        <input
          class="tiny"
          type="number"
          min={0}
          max={Math.max(0, frames - 1)}
          value={overlap}
          required
          onInput={(event) => setOverlap(event.currentTarget.valueAsNumber)}
        />
      </label>
      <button type="submit">Split</button>
      <button type="button" class="quiet" onClick={props.onLeave}>
        Cancel
      </button>
    </form>
  );
}
